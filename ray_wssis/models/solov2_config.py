"""Sizes of SOLOv2, and thresholds of its inference."""

from ray_wssis.config import Config
from ray_wssis.models.backbone_config import BackboneConfig

PADDING_MULTIPLE = 32  # the canvas is a multiple of the coarsest stride


class SOLOv2Config(Config):
    backbone: BackboneConfig = BackboneConfig()
    grids: tuple[int, int, int, int, int] = (40, 36, 24, 16, 12)  # cells per side, fine to coarse
    pyramid_channels: int = 256
    head_channels: int = 512
    num_head_convs: int = 4
    mask_channels: int = 128
    kernel_channels: int = 256  # E
    norm_groups: int = 32


class InferenceConfig(Config):
    min_class_score: float = 0.1
    max_candidates: int = 500
    mask_threshold: float = 0.5
    nms_sigma: float = 2.0
    min_score: float = 0.05
    max_instances: int = 100
