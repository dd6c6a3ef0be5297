"""Kinds of points, for configurations and command lines, which load quickly."""

from enum import StrEnum


class PointKind(StrEnum):
    """Rule by which a point is drawn from a mask."""

    CENTROID = "centroid"
    RANDOM = "random"
    CENTER = "center"
