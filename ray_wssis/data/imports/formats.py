"""Formats of labelling tools: recognised by name, read by one reader each."""

import csv
from posixpath import splitext
from xml.etree import ElementTree

from upath import UPath

from ray_wssis.data.imports.csv_points import read_csv
from ray_wssis.data.imports.cvat import read_cvat
from ray_wssis.data.imports.export import MarkedImage, Notes
from ray_wssis.data.imports.export_format import ExportFormat
from ray_wssis.data.imports.label_studio import read_label_studio
from ray_wssis.data.imports.labelme import read_labelme
from ray_wssis.data.imports.voc_points import is_voc_points, read_voc_points
from ray_wssis.data.imports.voc_scribbles import read_voc_scribbles
from ray_wssis.storage import files_under

READERS = {
    ExportFormat.CSV: read_csv,
    ExportFormat.CVAT: read_cvat,
    ExportFormat.LABELME: read_labelme,
    ExportFormat.LABEL_STUDIO: read_label_studio,
    ExportFormat.VOC_POINTS: read_voc_points,
    ExportFormat.VOC_SCRIBBLES: read_voc_scribbles,
}
MAY_BE_FRACTIONS = (ExportFormat.CSV, ExportFormat.CVAT, ExportFormat.LABELME)  # x and y


def read_export(export: UPath, export_format: ExportFormat, notes: Notes) -> list[MarkedImage]:
    """Read all images of an export, including those without marks.

    Raises ValueError when it cannot be understood at all.
    """
    try:
        return list(READERS[export_format](export, notes))
    except (ValueError, LookupError, RecursionError, csv.Error, ElementTree.ParseError) as error:
        raise ValueError(f"{export}: not an export of format {export_format}: {error}") from error


def recognise(export: UPath) -> ExportFormat:
    """Tell the format of an export by its name and beginning.  Raises ValueError for others."""
    if export.is_dir():
        ends = {splitext(file)[1] for file in files_under(export)}
        is_xml = ".xml" in ends and ".json" not in ends
        return ExportFormat.VOC_SCRIBBLES if is_xml else ExportFormat.LABELME
    if export.suffix.lower() == ".json" and is_voc_points(export):
        return ExportFormat.VOC_POINTS
    formats = {
        ".csv": ExportFormat.CSV,
        ".xml": ExportFormat.CVAT,
        ".json": ExportFormat.LABEL_STUDIO,
    }
    if export.suffix.lower() not in formats:
        raise ValueError(
            f"{export}: no .csv, .xml, .json or folder of JSON files. Unpack an archive; for a "
            f"file by another name give --format"
        )
    return formats[export.suffix.lower()]
