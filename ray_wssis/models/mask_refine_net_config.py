"""Sizes of MaskRefineNet, and how its crops are cut."""

from ray_wssis.config import Config
from ray_wssis.models.backbone_config import PIXEL_MEAN, PIXEL_STD
from ray_wssis.models.compat import Compat


class MaskRefineNetConfig(Config):
    """The published network for COCO, unless told otherwise."""

    encoder: str = "resnet101"  # any convolutional network of timm with strides 2 to 32
    weights: str = "hub"  # hub | offline | none | a file with a state dict
    crop_size: int = 256  # pixels, a multiple of 32
    crop_scale: float = 2.0  # sides of the crop over those of the rough mask, in use
    minimum_side: float = 16.0  # pixels of the original image; smaller crops are widened
    aspp_width: int = 512
    aspp_dilations: tuple[int, ...] = (3, 6, 9)
    decoder_widths: tuple[int, int, int, int] = (256, 128, 64, 64)  # coarse to fine
    heat_sigma: float = 6 / 256  # of the Gaussian at the point, in crop sides
    pixel_mean: tuple[float, float, float] = PIXEL_MEAN  # RGB in 0..1, as the encoder was trained
    pixel_std: tuple[float, float, float] = PIXEL_STD
    compat: Compat = "fixed"  # how crops are cut out and put back
