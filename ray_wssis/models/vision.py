"""timm and torchvision, imported without the compiler of torch.

Both ask it something while they are imported, about functions that no network of ours calls.
"""

from ray_wssis.models.compiler import without_compiler

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
