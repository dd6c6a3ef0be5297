"""Published SOLOv2 weights under our names.

Published networks see BGR from 0 to 255 less the mean; ours see RGB of mean 0 and deviation 1.
Order and scale move into the first convolution, so the features are the same.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from ray_wssis.models.backbone_config import PIXEL_STD, BackboneConfig
from ray_wssis.models.published.names import (
    RESNET_BY_BLOCKS,
    Names,
    fitting,
    length,
    published_name,
    renamed,
)
from ray_wssis.models.solov2 import SOLOv2
from ray_wssis.models.solov2_config import SOLOv2Config

SEGMENTER_NAMES: Names = (
    ("backbone.bottom_up.stem.conv1.norm.", "backbone.body.bn1."),
    ("backbone.bottom_up.stem.conv1.", "backbone.body.conv1."),
    ("backbone.bottom_up.res{2}.{0}.conv{1}.norm.", "backbone.body.layer{1}.{0}.bn{1}."),
    ("backbone.bottom_up.res{2}.{0}.conv{1}.", "backbone.body.layer{1}.{0}.conv{1}."),
    ("backbone.bottom_up.res{2}.{0}.shortcut.norm.", "backbone.body.layer{1}.{0}.downsample.1."),
    ("backbone.bottom_up.res{2}.{0}.shortcut.", "backbone.body.layer{1}.{0}.downsample.0."),
    ("backbone.fpn_lateral{2}.", "pyramid.fpn.inner_blocks.{0}.0."),
    ("backbone.fpn_output{2}.", "pyramid.fpn.layer_blocks.{0}.0."),
    ("ins_head.cate_tower.{0:3}.", "instance_head.class_tower.{0}.0."),  # convolution,
    ("ins_head.cate_tower.{1:3}.", "instance_head.class_tower.{0}.1."),  # norm and activation
    ("ins_head.kernel_tower.{0:3}.", "instance_head.kernel_tower.{0}.0."),
    ("ins_head.kernel_tower.{1:3}.", "instance_head.kernel_tower.{0}.1."),
    ("ins_head.cate_pred.", "instance_head.class_out."),
    ("ins_head.kernel_pred.", "instance_head.kernel_out."),
    ("mask_head.convs_all_levels.{0}.conv{0}.", "mask_head.levels.{0}.{0:2}."),  # doublings between
    ("mask_head.conv_pred.", "mask_head.out."),
)


def load_published_segmenter(state: Mapping[str, Tensor], config: SOLOv2Config) -> SOLOv2:
    """Build the network of a published SOLOv2 state dict; see `segmenter_config_from_published`.

    Raises ValueError naming tensors that are unused, missing or of another shape.
    """
    num_classes = segmenter_num_classes_from_published(state)
    with torch.device("meta"):
        network = SOLOv2(config, num_classes)
    wanted = {
        published_name(key, SEGMENTER_NAMES): value.shape
        for key, value in network.state_dict().items()
    }
    ours = segmenter_from_published(fitting(state, wanted, "SOLOv2"))
    network = SOLOv2(config, num_classes)
    network.load_state_dict({**network.state_dict(), **ours})
    return network


def segmenter_from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert a published SOLOv2 state dict to one of `SOLOv2`.

    Raises ValueError naming the first key that no published network has.
    """
    ours = {renamed(key, SEGMENTER_NAMES, "SOLOv2"): value for key, value in state.items()}
    first = ours.get("backbone.body.conv1.weight")
    if first is None or first.shape[1:] != (3, 7, 7):
        raise ValueError(
            f"SOLOv2 weights: no first layer backbone.bottom_up.stem.conv1.weight of 3 x 7 x 7 "
            f"among {len(state)} tensors; is this a published SOLOv2?"
        )
    scale = 255 * first.new_tensor(PIXEL_STD)
    ours["backbone.body.conv1.weight"] = first[:, [2, 1, 0]] * scale.view(1, 3, 1, 1)
    return ours


def segmenter_config_from_published(
    state: Mapping[str, Tensor], grids: tuple[int, int, int, int, int]
) -> SOLOv2Config:
    """Derive the configuration of the network that these published weights belong to.

    Depth and widths are read off the weights.  `grids` leave no trace in them: teachers and
    students of one depth have the same tensors.
    """
    prefix = "backbone.bottom_up.res4."
    num_blocks = len({key.split(".")[3] for key in state if key.startswith(prefix)})
    if num_blocks not in RESNET_BY_BLOCKS:
        raise ValueError(
            f"SOLOv2 weights: {num_blocks} blocks in res4, wanted one of {RESNET_BY_BLOCKS}; "
            f"is this a published SOLOv2?"
        )
    published = SOLOv2Config()
    towers = ("ins_head.cate_tower.", "ins_head.kernel_tower.")
    head_convs = {  # their places in the towers
        key.split(".")[2]
        for key, value in state.items()
        if key.startswith(towers) and value.ndim == 4
    }
    return SOLOv2Config(
        backbone=BackboneConfig(
            name=RESNET_BY_BLOCKS[num_blocks], weights="none", stride_in_1x1=True
        ),
        grids=grids,
        pyramid_channels=length(
            state, "backbone.fpn_output2.weight", 0, published.pyramid_channels
        ),
        head_channels=length(state, "ins_head.cate_pred.weight", 1, published.head_channels),
        num_head_convs=len(head_convs),
        mask_channels=length(state, "mask_head.conv_pred.0.weight", 1, published.mask_channels),
        kernel_channels=length(state, "ins_head.kernel_pred.weight", 0, published.kernel_channels),
    )


def segmenter_num_classes_from_published(state: Mapping[str, Tensor]) -> int:
    """Return the number of classes of these published weights."""
    num_biases = length(state, "ins_head.cate_pred.bias", 0, 0)
    num_classes = length(state, "ins_head.cate_pred.weight", 0, num_biases)
    if not num_classes:
        raise ValueError(
            f"SOLOv2 weights: no class output ins_head.cate_pred among {len(state)} tensors; "
            f"is this a published SOLOv2?"
        )
    return num_classes
