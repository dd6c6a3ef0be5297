"""Sizes of a classifier whose class activation maps are wanted."""

from typing import Literal

from ray_wssis.config import Config
from ray_wssis.models.backbone_config import BackboneConfig


class ClassifierConfig(Config):
    backbone: BackboneConfig = BackboneConfig(norm="frozen")
    stride: Literal[4, 8, 16, 32] | None = None  # of the features to classify; null: the last ones
    output_stride: Literal[8, 16, 32] = 16  # of the coarsest features: finer ones by dilation
