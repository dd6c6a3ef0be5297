"""A segmenter: its network, the sizes it sees, its inference."""

from typing import Self

from pydantic import Field, model_validator
from upath import UPath

from ray_wssis.config import Config
from ray_wssis.data.augment_config import AugmentConfig
from ray_wssis.instance.tile_config import TileConfig
from ray_wssis.models.backbone_config import as_saved
from ray_wssis.models.compat import Compat
from ray_wssis.models.eomt_config import EoMTConfig
from ray_wssis.models.model_folder import read_description
from ray_wssis.models.rf_detr_config import RFDETRConfig
from ray_wssis.models.solov2_config import PADDING_MULTIPLE, InferenceConfig, SOLOv2Config
from ray_wssis.training.config import ScaledTraining

TEACHER, BACKBONE = "teacher", "backbone"  # where a student's first weights may come from
KIND = "segmenter"  # in `config.json` of a model folder
OVERLAPPING_RANGES = ((1, 96), (48, 192), (96, 384), (192, 768), (384, 2048))
ScaleRange = tuple[float, float]


class SegmenterConfig(Config):
    network: SOLOv2Config = SOLOv2Config()
    eomt: EoMTConfig | None = None  # of a student: EoMT in the place of SOLOv2
    rf_detr: RFDETRConfig | None = None  # the same: RF-DETR
    scale_ranges: tuple[ScaleRange, ScaleRange, ScaleRange, ScaleRange, ScaleRange] = (
        OVERLAPPING_RANGES  # sqrt(width * height) in network pixels, from fine to coarse level
    )
    shorter: int = Field(
        default=800, ge=PADDING_MULTIPLE
    )  # network pixels, when labelling and evaluating
    longest: int = Field(default=1333, ge=PADDING_MULTIPLE)
    tile: TileConfig | None = None  # of huge images; null: they are seen at once
    inference: InferenceConfig = InferenceConfig()
    compat: Compat = "fixed"  # which points get a mask

    @model_validator(mode="after")
    def check_sizes(self) -> Self:
        if self.longest < self.shorter:
            raise ValueError(f"longest is {self.longest}, less than shorter, {self.shorter}")
        if self.eomt is not None and self.rf_detr is not None:
            raise ValueError("eomt and rf_detr are given: a student has one network")
        if self.queries is not None and self.longest > self.queries.side:
            raise ValueError(
                f"longest is {self.longest}, more than the side of {self.first_weights[0]}'s "
                f"canvas, {self.queries.side}"
            )
        for low, high in self.scale_ranges:
            if not 0 <= low < high:
                raise ValueError(f"scale_ranges: [{low:g}, {high:g}] holds no size")
        return self

    @property
    def queries(self) -> EoMTConfig | RFDETRConfig | None:
        """The network that finds objects with queries; None for SOLOv2."""
        return self.eomt or self.rf_detr

    @property
    def first_weights(self) -> tuple[str, str]:
        """Name the network whose weights training starts from, and their source."""
        if self.queries is not None:
            return "eomt" if self.eomt is not None else "rf_detr", self.queries.weights
        return self.network.backbone.name, self.network.backbone.weights

    def describe(self) -> str:
        """Name the network for people."""
        if self.queries is not None:
            name = "EoMT" if self.eomt is not None else "RF-DETR"
            return f"{name} with {self.queries.layers} layers of {self.queries.width} channels"
        return f"SOLOv2 with {self.network.backbone.name}"

    @property
    def sides(self) -> tuple[int, int]:
        return self.shorter, self.longest


class SegmenterStage(Config):
    """A stage that trains a segmenter, or adopts one."""

    model: SegmenterConfig
    augment: AugmentConfig = AugmentConfig()
    training: ScaledTraining
    # First weights: of a model folder, where they fit; of the teacher (for a student); null and
    # backbone: of the backbone alone.
    start: str | None = None
    ready: str | None = None  # a model folder to use as it is: nothing is trained

    @model_validator(mode="after")
    def check_canvas(self) -> Self:
        queries = self.model.queries
        if queries is not None and self.augment.longest > queries.side:
            raise ValueError(
                f"augment.longest is {self.augment.longest}, more than the side of "
                f"{self.model.first_weights[0]}'s canvas, {queries.side}"
            )
        return self


def read_config(folder: UPath) -> SegmenterConfig:
    """The configuration of a saved model, without a source of initial backbone weights."""
    config = SegmenterConfig.model_validate(read_description(folder, KIND)["config"])
    trained = {"weights": "none"}
    return config.model_copy(
        update={
            "network": as_saved(config.network),
            "eomt": config.eomt and config.eomt.model_copy(update=trained),
            "rf_detr": config.rf_detr and config.rf_detr.model_copy(update=trained),
        }
    )
