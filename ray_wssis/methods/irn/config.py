"""Configuration of IRNet: the network, what it learns from pairs, the walk and the instances."""

from typing import Literal

from pydantic import Field, model_validator
from upath import UPath

from ray_wssis.config import Config
from ray_wssis.models.backbone_config import BackboneConfig, as_saved
from ray_wssis.models.model_folder import read_description
from ray_wssis.models.solov2_config import PADDING_MULTIPLE
from ray_wssis.semantic.augment_config import SemanticAugment
from ray_wssis.training.config import ScaledTraining

KIND = "irnet"  # in `config.json` of a model folder


class IRNetConfig(Config):
    backbone: BackboneConfig = BackboneConfig(frozen=True)
    output_stride: Literal[8, 16, 32] = 16  # input pixels per pixel of the coarsest features
    boundary_width: int = Field(default=32, ge=8, multiple_of=8)  # channels of each level
    displacement_width: int = Field(
        default=256, ge=16, multiple_of=16
    )  # channels where levels come together


class IRNetModel(Config):
    """The network, the sizes it sees and the pairs it learns from."""

    network: IRNetConfig = IRNetConfig()
    shorter: int = Field(default=512, ge=PADDING_MULTIPLE)  # network pixels, four a cell
    longest: int = Field(default=1024, ge=PADDING_MULTIPLE)
    radius: int = Field(default=10, ge=2)  # cells: nearer ones are pairs to learn from

    @model_validator(mode="after")
    def check_sizes(self) -> "IRNetModel":
        if self.longest < self.shorter:
            raise ValueError(f"longest is {self.longest}, less than shorter, {self.shorter}")
        return self

    @property
    def sides(self) -> tuple[int, int]:
        return self.shorter, self.longest


class IRNetStage(Config):
    """A stage that trains IRNet on class maps that are sure of some pixels, or adopts one."""

    model: IRNetModel
    augment: SemanticAugment = SemanticAugment()
    training: ScaledTraining
    ready: str | None = None  # a model folder to use as it is: nothing is trained


class WalkConfig(Config):
    radius: int = Field(default=5, ge=2)  # cells: how far a step may go
    power: float = Field(default=10, gt=0)  # of the affinity of two cells
    steps: int = Field(default=256, ge=0)
    background: float = Field(default=0.25, ge=0, le=1)  # its score; 1 is the highest of all


class InstancesConfig(Config):
    short: float = Field(default=2.5, gt=0)  # cells: a shorter displacement is near a centroid
    background: float = Field(default=0.25, ge=0, le=1)  # its score; 1 is the highest of all
    least_area: float = Field(default=0.01, ge=0, lt=1)  # share of the image; less is a fragment


class IRNetLabels(Config):
    """Class maps and instances that activation maps become."""

    walk: WalkConfig = WalkConfig()
    instances: InstancesConfig = InstancesConfig()
    max_failures: int | None = Field(default=None, ge=0)  # images; null: any number


def read_config(folder: UPath) -> IRNetModel:
    """Return the configuration of a saved model, without a source of first backbone weights."""
    model = IRNetModel.model_validate(read_description(folder, KIND)["config"])
    return model.model_copy(update={"network": as_saved(model.network)})
