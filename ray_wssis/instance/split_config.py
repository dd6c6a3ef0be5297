"""The data of a run: where they come from, and how they are split."""

from typing import Literal

from pydantic import Field, model_validator

from ray_wssis.config import Config
from ray_wssis.data.coco.crowds import Crowds
from ray_wssis.data.points.kind import PointKind

CLICKED: Literal["clicked"] = "clicked"
UNANNOTATED = "unannotated"


class ShapesConfig(Config):
    """The built-in data set, drawn from a seed."""

    num_images: int = Field(default=400, ge=2)  # to learn from
    num_validation_images: int = Field(default=100, ge=1)
    size: int = Field(default=128, ge=64)  # pixels, both sides


class DataConfig(Config):
    """Exactly one of `shapes`, `annotations`, or `strong` with `weak`, `unlabelled` or both."""

    name: str = "instances"  # output files begin with it
    shapes: ShapesConfig | None = None
    annotations: str | None = None  # a fully labelled COCO file
    strong: str | None = None  # a COCO file with masks
    weak: str | None = None  # a COCO file with points, or boxes instead; masks are not looked at
    images: str | None = None  # folder or URI of the images
    weak_images: str | None = None  # of the weak file, if elsewhere
    validation: str | None = None  # a COCO file with masks; null: held out of `annotations`
    validation_images: str | None = None
    validation_percent: float = Field(default=20, gt=0, lt=100)  # held out if there is no file
    percent: float = Field(default=10, gt=0, lt=100)  # of the images that keep their masks
    audit: float = Field(default=0.1, ge=0, le=0.5)  # share of those that the teacher never sees
    point: PointKind | Literal["clicked"] = PointKind.CENTROID  # how points are drawn from masks
    # A folder of images without any label; unannotated: those of the file that nobody annotated.
    unlabelled: str | None = None
    unlabelled_percent: float = Field(default=0, ge=0, lt=100)  # of the images, without points
    crowds: Crowds = Crowds.IGNORE  # objects: annotations with iscrowd 1 count like the others

    @model_validator(mode="after")
    def check_source(self) -> "DataConfig":
        given = [
            self.shapes is not None,
            self.annotations is not None,
            self.strong is not None or self.weak is not None,
        ]
        if sum(given) != 1:
            raise ValueError("give exactly one of shapes, annotations, or strong with weak")
        if given[2] and (self.strong is None or self.validation is None or not self.has_others):
            raise ValueError(
                "strong goes together with weak, or with unlabelled where nobody pointed, and "
                "needs a validation file"
            )
        if given[0] and self.point == CLICKED:
            raise ValueError("nobody clicked on the shapes: point is centroid, random or center")
        if not given[0] and self.images is None:
            raise ValueError("images is missing: the folder of the images")
        return self

    @model_validator(mode="after")
    def check_unlabelled(self) -> "DataConfig":
        if self.unlabelled is not None and self.unlabelled_percent:
            raise ValueError("give unlabelled or unlabelled_percent, not both")
        if self.unlabelled == UNANNOTATED and self.shapes is not None:
            raise ValueError("all shapes are annotated: hide points with unlabelled_percent")
        if self.unlabelled_percent and self.percent + self.unlabelled_percent > 100:
            raise ValueError(
                f"percent is {self.percent:g} and unlabelled_percent {self.unlabelled_percent:g}: "
                "that is more than all images"
            )
        return self

    @property
    def has_unlabelled(self) -> bool:
        return self.unlabelled is not None or self.unlabelled_percent > 0

    @property
    def has_points(self) -> bool:
        """Tell whether there are weak images; without, nobody pointed at anything."""
        if self.strong is not None:
            return self.weak is not None
        return self.percent + self.unlabelled_percent < 100

    @property
    def has_others(self) -> bool:
        return self.weak is not None or self.has_unlabelled

    @property
    def point_kind(self) -> PointKind:
        """Rule for points that are not drawn where people click."""
        return PointKind.CENTROID if self.point == CLICKED else PointKind(self.point)

    def files(self) -> list[str]:
        named = [self.annotations, self.strong, self.weak, self.validation]
        return [file for file in named if file is not None]
