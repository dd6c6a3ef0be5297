"""Sizes of DeepLab v3+."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ray_wssis.config import Config
from ray_wssis.models.backbone_config import BackboneConfig

Norm = Literal["batch", "group"]
CHANNELS_OF_A_GROUP = 8
Width = Annotated[int, Field(ge=1)]


class DeepLabConfig(Config):
    """The published network, unless told otherwise."""

    decoder: Literal["deeplab"] = "deeplab"
    backbone: BackboneConfig = BackboneConfig(frozen_stages=0, norm="batch")
    output_stride: Literal[8, 16, 32] = 16  # input pixels per pixel of the coarsest features
    aspp_rates: tuple[Width, ...] = (6, 12, 18)  # dilations, in pixels of those features
    aspp_width: Width = 256
    low_level_width: Width = 48  # of the features at stride 4
    decoder_width: Width = 256
    norm: Norm = "batch"  # beyond the backbone; group: for batches of few images
    heads: Literal[1, 2] = 1  # 2: pseudo labels train a head of their own, which is not served

    @model_validator(mode="after")
    def check_norm(self) -> "DeepLabConfig":
        if self.norm == "group":
            for name in ("aspp_width", "low_level_width", "decoder_width"):
                if (width := getattr(self, name)) % CHANNELS_OF_A_GROUP:
                    raise ValueError(
                        f"{name} is {width}, norm: group needs a multiple of {CHANNELS_OF_A_GROUP}"
                    )
        return self
