"""Sizes of a vision transformer with the decoder of DPT."""

from typing import Annotated, Literal

from pydantic import Field

from ray_wssis.config import Config
from ray_wssis.models.deeplab_config import CHANNELS_OF_A_GROUP

Block = Annotated[int, Field(ge=0)]


class ViTConfig(Config):
    name: str = "vit_small_patch14_dinov2"  # any plain vision transformer of timm
    weights: str = "hub"  # hub | none | a file with a state dict
    frozen: bool = False  # true: only what is beyond the backbone is trained


class DPTConfig(Config):
    decoder: Literal["dpt"] = "dpt"
    backbone: ViTConfig = ViTConfig()
    # Blocks whose tokens are used, from 0; null: the last of each quarter of the network.
    blocks: tuple[Block, Block, Block, Block] | None = None
    width: int = Field(default=128, ge=CHANNELS_OF_A_GROUP, multiple_of=CHANNELS_OF_A_GROUP)
    heads: Literal[1, 2] = 1  # 2: pseudo labels train a head of their own, which is not served
