"""Sizes of SOLOv2, and thresholds of its inference."""

from typing import Annotated

from pydantic import Field, model_validator

from ray_wssis.config import Config
from ray_wssis.models.backbone_config import BackboneConfig

PADDING_MULTIPLE = 32  # the canvas is a multiple of the coarsest stride
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class SOLOv2Config(Config):
    backbone: BackboneConfig = BackboneConfig()
    grids: tuple[Count, Count, Count, Count, Count] = (
        40,
        36,
        24,
        16,
        12,
    )  # cells per side, fine to coarse
    pyramid_channels: Count = 256
    head_channels: Count = 512
    num_head_convs: Count = 4
    mask_channels: Count = 128
    kernel_channels: Count = 256  # E
    norm_groups: Count = 32

    @model_validator(mode="after")
    def check_groups(self) -> "SOLOv2Config":
        for name in ("head_channels", "mask_channels", "kernel_channels"):
            channels = getattr(self, name)
            if channels % self.norm_groups:
                raise ValueError(
                    f"{name} is {channels}, it must be a multiple of norm_groups, "
                    f"{self.norm_groups}"
                )
        return self


class InferenceConfig(Config):
    min_class_score: Share = 0.1
    max_candidates: Count = 500
    mask_threshold: Share = 0.5
    nms_sigma: float = Field(default=2.0, ge=0)  # 0: no NMS
    min_score: Share = 0.05
    max_instances: Count = 100
