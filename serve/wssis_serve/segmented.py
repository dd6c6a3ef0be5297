"""Questions about an image and the answers to them, as they travel between processes."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from ray_wssis.data.records import Category, Click

UNDECIDED = "torch on cpu"  # what runs a network that was not tried in anything else


class Kind(StrEnum):
    """The kinds of student that can be served: `kind` in the `config.json` of a model."""

    SEGMENTER = "segmenter"  # finds instances
    SEMANTIC = "semantic"  # gives every pixel a class


@dataclass(frozen=True, kw_only=True)
class PointQuery:
    """An object that a person points at."""

    x: float  # pixels of the original image
    y: float
    category: str | int  # name or id of its class
    clicks: list[Click] = field(default_factory=list)  # extra ones, on and off the object


@dataclass(frozen=True, kw_only=True)
class Question:
    """Wishes of a caller about the answer; None: nothing was said."""

    threshold: float | None = None  # of instances
    max_instances: int | None = None
    tags: tuple[str | int, ...] | None = None  # of a class map: names or ids of its classes


@dataclass(frozen=True, kw_only=True)
class ModelName:
    """The network that drew the masks."""

    name: str  # student or teacher
    hash: str  # of its folder, 12 digits


@dataclass(frozen=True, kw_only=True)
class ImageInfo:
    id: str  # the same bytes have the same id
    width: int  # pixels of the original image, after its EXIF rotation
    height: int


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One object of an image."""

    label: int
    score: float
    mask: bytes | None  # run-length counts for the size of the image; None: no mask for a point
    point: tuple[float, float] | None = None  # the point that was asked about
    expected_iou: float | None = None  # of the mask; None without a calibration
    flags: list[str] = field(default_factory=list)  # doubts about the mask


@dataclass(frozen=True, kw_only=True)
class Segmented:
    """The instances of one image."""

    model: ModelName
    image: ImageInfo
    categories: tuple[Category, ...]
    instances: list[Instance]
    batch_size: int = 1  # images in the forward pass
    seconds: dict[str, float] = field(default_factory=dict)  # by step

    def timed(self, seconds: dict[str, float], batch_size: int) -> "Segmented":
        return replace(self, seconds=seconds, batch_size=batch_size)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A class that a class map shows."""

    label: int
    num_pixels: int
    confidence: float  # mean probability of its pixels


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """The class map of one image."""

    model: ModelName
    image: ImageInfo
    categories: tuple[Category, ...]
    class_map: bytes  # gray PNG of the labels, at the size of the image
    shown: list[Shown]  # by label
    tags: tuple[int, ...] | None  # labels that were allowed; None: all
    batch_size: int = 1  # images in the forward pass
    seconds: dict[str, float] = field(default_factory=dict)  # by step

    def timed(self, seconds: dict[str, float], batch_size: int) -> "Mapped":
        return replace(self, seconds=seconds, batch_size=batch_size)
