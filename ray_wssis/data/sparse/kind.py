"""Kinds of sparse labels that are drawn from class maps, for command lines, which load quickly."""

from enum import StrEnum


class SparseKind(StrEnum):
    """Something that a person draws in an image for each class that it shows."""

    POINTS = "points"  # any pixels of the class
    CLICKS = "clicks"  # pixels far from its outline, a region after the other, large ones first
    SCRIBBLES = "scribbles"  # strokes that begin at such clicks
