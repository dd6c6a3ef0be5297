"""Uses of crowd regions, for configurations and command lines, which load quickly."""

from enum import StrEnum


class Crowds(StrEnum):
    """Meaning of annotations with `iscrowd` 1."""

    IGNORE = "ignore"  # regions that are neither an object nor background, as in COCO
    OBJECTS = "objects"  # objects like the others: CVAT exports every drawn mask with iscrowd 1
