"""Names of the formats of labelling tools, for command lines, which load quickly."""

from enum import StrEnum


class ExportFormat(StrEnum):
    """The format of an export."""

    CSV = "csv"  # a table with the columns image, x, y, class, perhaps object, positive
    CVAT = "cvat"  # annotations.xml of "CVAT for images 1.1"
    LABELME = "labelme"  # a folder with a JSON file for each image
    LABEL_STUDIO = "label-studio"  # its "JSON", a list of tasks
    VOC_POINTS = "voc-points"  # JSON with the points of What's the Point
    VOC_SCRIBBLES = "voc-scribbles"  # a folder with an XML file for each image, of ScribbleSup
