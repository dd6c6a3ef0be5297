"""Requests and answers on the wire.  Coordinates are (x, y) in pixels of the image as displayed."""

import json
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Tag = Annotated[str, Field(min_length=1, max_length=200)] | Annotated[int, Field(strict=True)]
Coordinate = Annotated[float, Field(allow_inf_nan=False)]
Place = tuple[Coordinate, Coordinate]  # x, y
Number = Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63)]


def parsed(text: Any) -> Any:
    """Parse the JSON text of a form field; any other value is left as it is."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("this is not JSON") from error


class MaskFormat(StrEnum):
    """Formats of a mask."""

    RLE = "rle"  # COCO's compressed run lengths: exact, holes included
    POLYGON = "polygon"  # outlines; holes are lost
    PNG = "png"  # of the box, one bit a pixel, as base64


class AnswerFormat(StrEnum):
    """Formats of an answer."""

    RLE = "rle"  # a mask for each instance, or for each class of a class map
    POLYGON = "polygon"
    PNG = "png"  # a mask for each instance; or the class map, with a palette
    GRAY = "gray"  # the class map without a palette
    COCO = "coco"  # the instances as a COCO file


def listed(values: Any) -> Any:
    """Names in one text, split at commas or written as a JSON list; other values as they are."""
    texts = [values] if isinstance(values, str) else values
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return values
    found: list[Any] = []
    for text in texts:
        names = parsed(text) if text.lstrip().startswith("[") else text.split(",")
        found += [name.strip() if isinstance(name, str) else name for name in names]
    return [name for name in found if name != ""]


class Wanted(BaseModel):
    """Parameters of a request for one image, in the query or in the form."""

    model_config = ConfigDict(extra="ignore")

    threshold: float | None = Field(
        None, ge=0, le=1, description="Of instances: lower scores are left out; default 0.3"
    )
    max_instances: int | None = Field(
        None, ge=1, description="The best; default 100, and the server has a limit too"
    )
    tags: Annotated[list[Tag] | None, BeforeValidator(listed)] = Field(
        None,
        min_length=1,
        max_length=255,
        description="Of a class map: names or ids of the classes that the image may show",
    )
    format: AnswerFormat | None = Field(
        None, description="Default: rle for instances, png for a class map"
    )


class ClickIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    x: Coordinate
    y: Coordinate
    positive: bool = True


class PointIn(BaseModel):
    """An object that a person points at, and its class."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    x: Coordinate
    y: Coordinate
    class_name: str | None = Field(None, alias="class")
    category_id: Number | None = None
    clicks: list[ClickIn] = Field([], max_length=100, description="On and off the object")

    @model_validator(mode="after")
    def check_class(self) -> "PointIn":
        if (self.class_name is None) == (self.category_id is None):
            raise ValueError('give one of "class" and "category_id"')
        return self


class WantedPoints(BaseModel):
    """The form fields besides the image."""

    model_config = ConfigDict(extra="ignore")

    points: Annotated[list[PointIn], BeforeValidator(parsed)] = Field(min_length=1)
    image_id: str | None = Field(None, max_length=128)
    format: MaskFormat = MaskFormat.RLE


class JobIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    images: str = Field(max_length=4096, description="Folder of the images")
    points: str = Field(max_length=4096, description="COCO file whose annotations have points")


class ReloadIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    model: str = Field(max_length=4096, description="A run, or a model folder")


class Rle(BaseModel):
    size: tuple[int, int] = Field(description="Height and width of the image")
    counts: str


class InstanceOut(BaseModel):
    """One object, with the one of `rle`, `polygons` and `png` that was asked for."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    category_id: int
    class_name: str = Field(alias="class")
    score: float
    bbox: tuple[int, int, int, int] | None = Field(description="x, y, width, height")
    area: int = Field(description="Pixels of the mask")
    rle: Rle | None = None
    polygons: list[list[float]] | None = Field(None, description="x, y, x, y, ... around each part")
    png: str | None = Field(None, description="base64; covers the box")


class PointInstanceOut(InstanceOut):
    """The mask of a point."""

    point: tuple[float, float]
    expected_iou: float | None = Field(description="Of the mask; null without a calibration")
    flags: list[str] = Field(description="Doubts about the mask")


class ModelNameOut(BaseModel):
    name: str
    hash: str


class ImageOut(BaseModel):
    id: str = Field(description="Of the bytes; may replace the image in later requests for points")
    width: int
    height: int


class SegmentOut(BaseModel):
    model: ModelNameOut
    image: ImageOut
    instances: list[InstanceOut]


class ShownOut(BaseModel):
    """A class that a class map shows, with `rle` or `polygons` if that was the wanted format."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    label: int = Field(description="Value of its pixels in the PNG")
    category_id: int
    class_name: str = Field(alias="class")
    color: str = Field(description="In the palette of the PNG, as #rrggbb")
    area: int = Field(description="Pixels")
    share: float = Field(description="Of all pixels, 0 to 1")
    confidence: float = Field(description="Mean probability of its pixels, 0 to 1")
    rle: Rle | None = None
    polygons: list[list[float]] | None = Field(None, description="x, y, x, y, ... around each part")


class ClassMapOut(BaseModel):
    model: ModelNameOut
    image: ImageOut
    tags: list[str] | None = Field(description="The classes that were allowed; null: all")
    classes: list[ShownOut]
    png: str | None = Field(None, description="base64; the value of a pixel is a label")


class PointsOut(BaseModel):
    model: ModelNameOut
    image: ImageOut
    instances: list[PointInstanceOut]


class ClassOut(BaseModel):
    label: int = Field(description="Place among the classes; value of its pixels in a class map")
    category_id: int
    name: str
    color: str | None = Field(None, description="In class maps, as #rrggbb")


class ModelOut(BaseModel):
    name: Literal["student", "teacher", "refiner"]
    hash: str
    classes: list[ClassOut]
    shorter: int | None = Field(description="Sides of images in the network, in pixels")
    longest: int | None
    metrics: dict[str, float | None] | None = Field(description="As measured by its run")
    runtime: str | None = Field(None, description="What runs the student's network, and why")


class ModelsOut(BaseModel):
    kind: Literal["segmenter", "semantic"] = Field(
        description="Of the student: it finds instances, or gives every pixel a class"
    )
    models: list[ModelOut]
    calibrated: bool = Field(description="True if masks of points have an expected IoU")
    takes_points: bool
    takes_jobs: bool
    has_queue: bool = Field(description="True if there are images to label, see /v1/queue")
    has_review: bool = Field(description="True if there are masks to review, see /v1/review")


JobState = Literal["queued", "running", "done", "failed", "cancelled"]


class Job(BaseModel):
    """A bulk job as callers see it."""

    model_config = ConfigDict(frozen=True)

    id: str
    state: JobState
    images: str
    points: str
    created: str  # UTC, ISO 8601
    finished: str | None = None
    num_images: int | None = None  # in the file of points
    num_labelled: int = 0  # of them
    num_failed: int = 0
    num_points: int | None = None
    num_masks: int | None = None
    error: str | None = None
    result: str | None = None  # path of the file, to be requested here


class StatusOut(BaseModel):
    status: str


class ErrorDetail(BaseModel):
    code: str
    message: str


class ErrorOut(BaseModel):
    error: ErrorDetail
