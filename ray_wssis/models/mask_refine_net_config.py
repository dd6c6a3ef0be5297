"""Sizes of MaskRefineNet, and how its crops are cut."""

from typing import Annotated

from pydantic import Field, model_validator

from ray_wssis.config import Config
from ray_wssis.models.backbone_config import PIXEL_MEAN, PIXEL_STD
from ray_wssis.models.compat import Compat

CROP_MULTIPLE = 32  # the coarsest stride of the encoder
Width = Annotated[int, Field(ge=1)]


class MaskRefineNetConfig(Config):
    """The published network for COCO, unless told otherwise."""

    encoder: str = "resnet101"  # any convolutional network of timm with strides 2 to 32
    weights: str = "hub"  # hub | offline | none | a file with a state dict
    crop_size: int = Field(default=256, ge=CROP_MULTIPLE)  # pixels, a multiple of 32
    crop_scale: float = Field(
        default=2.0, ge=1
    )  # sides of the crop over those of the rough mask, in use
    minimum_side: float = Field(
        default=16.0, gt=0
    )  # pixels of the original image; smaller crops are widened
    aspp_width: Width = 512
    aspp_dilations: tuple[Width, ...] = (3, 6, 9)
    decoder_widths: tuple[Width, Width, Width, Width] = (256, 128, 64, 64)  # coarse to fine
    heat_sigma: float = Field(default=6 / 256, gt=0)  # of the Gaussian at the point, in crop sides
    pixel_mean: tuple[float, float, float] = PIXEL_MEAN  # RGB in 0..1, as the encoder was trained
    pixel_std: tuple[float, float, float] = PIXEL_STD
    compat: Compat = "fixed"  # how crops are cut out and put back

    @model_validator(mode="after")
    def check_crop_size(self) -> "MaskRefineNetConfig":
        rest = self.crop_size % CROP_MULTIPLE
        if rest:
            below = self.crop_size - rest
            raise ValueError(
                f"crop_size is {self.crop_size}, it must be a multiple of {CROP_MULTIPLE}, for "
                f"instance {below} or {below + CROP_MULTIPLE}"
            )
        return self
