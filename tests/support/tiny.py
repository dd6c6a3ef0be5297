"""The smallest SOLOv2 that is built like a real one."""

from ray_wssis.models.backbone_config import BackboneConfig
from ray_wssis.models.solov2_config import SOLOv2Config

TINY = SOLOv2Config(
    backbone=BackboneConfig(name="resnet18", weights="none", frozen_stages=0, norm="batch"),
    grids=(8, 7, 6, 5, 4),
    pyramid_channels=8,
    head_channels=8,
    num_head_convs=1,
    mask_channels=8,
    kernel_channels=8,
    norm_groups=2,
)
