"""A semantic segmenter: its network, the sizes it sees, its inference."""

from typing import Annotated, Self

from pydantic import Field, model_validator
from upath import UPath

from ray_wssis.config import Config
from ray_wssis.models.backbone_config import as_saved
from ray_wssis.models.deeplab_config import DeepLabConfig
from ray_wssis.models.model_folder import read_description
from ray_wssis.models.semantic_network_config import NetworkConfig
from ray_wssis.models.solov2_config import PADDING_MULTIPLE
from ray_wssis.semantic.augment_config import SemanticAugment
from ray_wssis.semantic.windows import Window
from ray_wssis.training.config import ScaledTraining

KIND = "semantic"  # in `config.json` of a model folder


class Views(Config):
    """Scales and flips of an image whose logits are averaged."""

    scales: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=(1.0,), min_length=1)
    flip: bool = False


class SemanticConfig(Config):
    network: NetworkConfig = DeepLabConfig()
    shorter: int = Field(default=512, ge=PADDING_MULTIPLE)  # network pixels
    longest: int = Field(default=1024, ge=PADDING_MULTIPLE)
    window: Window | None = None  # slides over images that are larger; null: one pass for each

    @model_validator(mode="after")
    def check_sizes(self) -> Self:
        if self.longest < self.shorter:
            raise ValueError(f"longest is {self.longest}, less than shorter, {self.shorter}")
        return self

    @property
    def sides(self) -> tuple[int, int]:
        return self.shorter, self.longest


class SemanticStage(Config):
    """A stage that trains a semantic segmenter on class maps, or adopts one."""

    model: SemanticConfig
    augment: SemanticAugment = SemanticAugment()
    training: ScaledTraining
    start: str | None = None  # a model folder to take the first weights from
    ready: str | None = None  # a model folder to use as it is: nothing is trained


def read_config(folder: UPath) -> SemanticConfig:
    """The configuration of a saved model, without a source of initial backbone weights."""
    config = SemanticConfig.model_validate(read_description(folder, KIND)["config"])
    return config.model_copy(update={"network": as_saved(config.network)})
