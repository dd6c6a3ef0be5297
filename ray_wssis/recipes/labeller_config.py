"""Configuration of who draws the pseudo masks."""

from typing import Any, Final, Literal, TypedDict

from pydantic import Field, model_validator

from ray_wssis.config import Config
from ray_wssis.instance.tidy_config import TidyConfig
from ray_wssis.instance.tile_config import TileConfig

POINT_WSSIS: Final = "point_wssis"  # a teacher and a refiner, trained on the strong images
Name = Literal["point_wssis", "sam2", "sam", "sam_hq", "edgetam"]


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

    @property
    def is_trained(self) -> bool:
        """Tell whether the run trains it."""
        return self.name == POINT_WSSIS

    @property
    def ways(self) -> "Ways":
        """Return what PointLabeller is told beside its networks."""
        return {"tidy": self.tidy, "tile": self.tile}
