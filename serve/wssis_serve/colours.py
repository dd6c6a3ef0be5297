"""The colours of classes in class maps: the same as in the report."""

from ray_wssis.data.class_maps.png import UNKNOWN
from ray_wssis.semantic.colour_maps import palette

WHITE = b"\xff\xff\xff"


def palette_bytes(num_classes: int) -> bytes:
    """Red, green and blue of each value of a class map, 0 to 255; white for no class."""
    return palette(num_classes).tobytes() + WHITE * (UNKNOWN + 1 - num_classes)


def hex_colors(num_classes: int) -> list[str]:
    """The colours of the classes as #rrggbb."""
    return [f"#{bytes(color).hex()}" for color in palette(num_classes)]
