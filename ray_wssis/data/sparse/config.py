"""Sparse labels of a data set: drawn from its class maps, or read from files of somebody."""

from typing import Literal

from pydantic import Field, field_validator

from ray_wssis.config import Config
from ray_wssis.data.class_maps.png import UNKNOWN
from ray_wssis.data.imports.export_format import ExportFormat
from ray_wssis.data.sparse.kind import SparseKind

COCO: Literal["coco"] = "coco"  # the format of an instance project


class SparseConfig(Config):
    """Sparse labels, drawn from the class maps of all training images."""

    kind: SparseKind
    per_class: int = Field(default=2, ge=1)  # points, clicks or strokes per class and image
    width: int = Field(default=3, ge=1)  # pixels, of strokes
    radius: float = Field(default=0, ge=0)  # pixels around a point or click that count too
    seed: int | None = Field(default=None, ge=0)  # null: that of the run


class SparseLabelsConfig(Config):
    """Sparse labels of all training images, as people drew them."""

    labels: tuple[str, ...] = Field(min_length=1)  # folders of PNGs, COCO files, files of tools
    format: ExportFormat | Literal["coco"] | None = None  # null: recognised
    width: int = Field(default=3, ge=1)  # pixels, of lines
    radius: float = Field(default=0, ge=0)  # pixels around a point that count too
    pixel_indices: bool = False  # add 0.5 to x and y of a table, which are pixel indices
    not_annotated: int = Field(default=UNKNOWN, ge=0, le=255)  # in PNGs, besides 255

    @field_validator("labels", mode="before")
    @classmethod
    def several(cls, value: object) -> object:
        """Take one name for a list of it."""
        return [value] if isinstance(value, str) else value
