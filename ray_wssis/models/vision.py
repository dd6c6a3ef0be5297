"""timm and torchvision, imported without the compiler of torch.

Both ask it something while they are imported, about functions that no network of ours calls.
It is larger than the rest of torch: each process with a network would start one to two seconds
later.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch  # noqa: F401  # the rest of it, before the stand-in is there

COMPILER, USED = "torch._dynamo", "torch._dynamo.utils"


@contextmanager
def without_compiler() -> Iterator[None]:
    """Put a stand-in in the place of the compiler, unless it is there already.

    Whoever imports it later gets the real one.
    """
    if COMPILER in sys.modules:
        yield
        return
    compiler: Any = ModuleType(COMPILER)
    used: Any = ModuleType(USED)
    compiler.disable = lambda function, *_, **__: function
    used.is_compile_supported = lambda device: False
    sys.modules |= {COMPILER: compiler, USED: used}
    try:
        yield
    finally:
        del sys.modules[COMPILER], sys.modules[USED]


with without_compiler():
    import timm
    from timm.layers.conv2d_same import Conv2dSame
    from timm.layers.norm import LayerNorm2d
    from timm.layers.norm_act import freeze_batch_norm_2d
    from timm.layers.padding import pad_same
    from timm.models.eva import Eva
    from timm.models.resnet import Bottleneck
    from timm.models.vision_transformer import VisionTransformer
    from torchvision.ops import FeaturePyramidNetwork, sigmoid_focal_loss
    from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

__all__ = [
    "Bottleneck",
    "Conv2dSame",
    "Eva",
    "FeaturePyramidNetwork",
    "LastLevelMaxPool",
    "LayerNorm2d",
    "VisionTransformer",
    "freeze_batch_norm_2d",
    "pad_same",
    "sigmoid_focal_loss",
    "timm",
]
