"""Configuration of who draws the pseudo masks."""

from typing import Any, Final, Literal, TypedDict, get_args

from pydantic import Field, model_validator

from ray_wssis.config import Config
from ray_wssis.instance.tidy_config import TidyConfig
from ray_wssis.instance.tile_config import TileConfig

POINT_WSSIS: Final = "point_wssis"  # a teacher and a refiner, trained on the strong images
Name = Literal["point_wssis", "sam2", "sam", "sam_hq", "edgetam"]
FAMILIES = tuple(name for name in get_args(Name) if name != POINT_WSSIS)  # of SAM


class Ways(TypedDict):
    tidy: TidyConfig
    tile: TileConfig | None


class LabellerConfig(Config):
    """Also written as a word: `sam2:WEIGHTS`."""

    name: Name = POINT_WSSIS
    weights: str | None = (
        None  # a folder that all nodes can read, or a name on the Hugging Face hub
    )
    tidy: TidyConfig = TidyConfig()  # what becomes of its masks
    tile: TileConfig | None = None  # of huge images, of point_wssis; null: they are seen at once
    negatives: int = Field(default=2, ge=0)  # nearest points of other objects: "not this one"
    # Of point_wssis: sam2:WEIGHTS, say, improves the rough masks, and no refiner is trained.
    refiner: str | None = None

    @model_validator(mode="before")
    @classmethod
    def read_word(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        name, _, weights = value.partition(":")
        return {"name": name, "weights": weights or None}

    @model_validator(mode="after")
    def check_weights(self) -> "LabellerConfig":
        if self.name == POINT_WSSIS and self.weights is not None:
            raise ValueError(
                f"labeller.weights is {self.weights}, and point_wssis trains its own; give trained "
                "networks as teacher.ready and refiner.ready"
            )
        if self.name != POINT_WSSIS and self.tile is not None:
            raise ValueError(
                f"labeller.tile is given and the labeller is {self.name}, which sees every image "
                "at once; leave it out, or cut the images into tiles yourself"
            )
        return self

    @model_validator(mode="after")
    def check_refiner(self) -> "LabellerConfig":
        if self.refiner is None:
            return self
        family = self.refiner.partition(":")[0]
        if family not in FAMILIES:
            raise ValueError(
                f"labeller.refiner is {self.refiner}; wanted FAMILY:WEIGHTS, with one of "
                f"{', '.join(FAMILIES)}"
            )
        if self.name != POINT_WSSIS:
            raise ValueError(
                f"labeller.refiner is {self.refiner} and the labeller is {self.name}: only the "
                "rough masks of point_wssis are refined; leave one of them out"
            )
        if self.tile is not None:
            raise ValueError(
                "labeller.tile and labeller.refiner are given: a SAM sees every image at once; "
                "leave one of them out"
            )
        return self

    @property
    def is_trained(self) -> bool:
        """Tell whether the run trains it."""
        return self.name == POINT_WSSIS

    @property
    def has_trained_refiner(self) -> bool:
        """Tell whether the run trains what refines rough masks, too."""
        return self.is_trained and self.refiner is None

    @property
    def ways(self) -> "Ways":
        """Return what PointLabeller is told beside its networks."""
        return {"tidy": self.tidy, "tile": self.tile}
