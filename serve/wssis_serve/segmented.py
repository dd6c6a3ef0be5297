"""An object to be drawn, and the answer for one image, as they travel between processes."""

from dataclasses import dataclass, field, replace

from ray_wssis.data.records import Category, Click


@dataclass(frozen=True, kw_only=True)
class PointQuery:
    """An object that a person points at."""

    x: float  # pixels of the original image
    y: float
    category: str | int  # name or id of its class
    clicks: list[Click] = field(default_factory=list)  # extra ones, on and off the object


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
    """The answer for one image."""

    model: ModelName
    image: ImageInfo
    categories: tuple[Category, ...]
    instances: list[Instance]
    batch_size: int = 1  # images in the forward pass
    seconds: dict[str, float] = field(default_factory=dict)  # by step

    def timed(self, seconds: dict[str, float], batch_size: int) -> "Segmented":
        return replace(self, seconds=seconds, batch_size=batch_size)
