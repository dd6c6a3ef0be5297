"""Published PointWSSIS weights under our names: renames of state dicts.

SOLOv2: published networks see BGR from 0 to 255 less the mean; ours RGB of mean 0 and deviation 1.
Order and scale move into the first convolution, so the features are the same.
MaskRefineNet: the published first layer has 3 + (C + 1) + 1 input channels in the order RGB, heat
map bank, rough mask; ours keeps the bank's filters apart (see `mask_refine_net`).
"""

import re
from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from ray_wssis.models.backbone import PIXEL_STD, BackboneConfig
from ray_wssis.models.mask_refine_net import MaskRefineNetConfig
from ray_wssis.models.solov2 import SOLOv2Config

Names = Sequence[tuple[str, str | Callable[[re.Match[str]], str]]]
REFINER_NAMES: Names = (  # published pattern -> ours, the first that matches
    (r"layer0\.1\.", r"encoder.bn1."),
    (r"layer1\.1\.", r"encoder.layer1."),
    (r"layer([234])\.", r"encoder.layer\1."),
    (r"aspp\.convs\.0\.1\.", r"aspp.whole."),
    (r"aspp\.convs\.1\.", r"aspp.local."),
    (r"aspp\.convs\.([234])\.", lambda found: f"aspp.dilated.{int(found[1]) - 2}."),
    (r"aspp\.project\.", r"aspp.project."),
    (r"decoder_([0123])\.conv\.0\.", lambda found: f"decoder.{3 - int(found[1])}.join."),
    (r"decoder_([0123])\.conv\.1\.", lambda found: f"decoder.{3 - int(found[1])}.smooth."),
    (r"head\.", r"head."),
)
STAGE = r"backbone\.bottom_up\.res([2345])\.(\d+)\."
SEGMENTER_NAMES: Names = (
    (r"backbone\.bottom_up\.stem\.conv1\.norm\.", r"backbone.body.bn1."),
    (r"backbone\.bottom_up\.stem\.conv1\.", r"backbone.body.conv1."),
    (STAGE + r"conv([123])\.norm\.", lambda found: f"{block_name(found)}.bn{found[3]}."),
    (STAGE + r"conv([123])\.", lambda found: f"{block_name(found)}.conv{found[3]}."),
    (STAGE + r"shortcut\.norm\.", lambda found: f"{block_name(found)}.downsample.1."),
    (STAGE + r"shortcut\.", lambda found: f"{block_name(found)}.downsample.0."),
    (
        r"backbone\.fpn_lateral([2345])\.",
        lambda found: f"pyramid.fpn.inner_blocks.{int(found[1]) - 2}.0.",
    ),
    (
        r"backbone\.fpn_output([2345])\.",
        lambda found: f"pyramid.fpn.layer_blocks.{int(found[1]) - 2}.0.",
    ),
    (r"ins_head\.cate_tower\.(\d+)\.", lambda found: f"instance_head.class_{layer_name(found)}"),
    (r"ins_head\.kernel_tower\.(\d+)\.", lambda found: f"instance_head.kernel_{layer_name(found)}"),
    (r"ins_head\.cate_pred\.", r"instance_head.class_out."),
    (r"ins_head\.kernel_pred\.", r"instance_head.kernel_out."),
    (
        r"mask_head\.convs_all_levels\.([0123])\.conv([012])\.",
        lambda found: f"mask_head.levels.{found[1]}.{2 * int(found[2])}.",  # doublings between
    ),
    (r"mask_head\.conv_pred\.", r"mask_head.out."),
)
RESNET_BY_BLOCKS = {6: "resnet50", 23: "resnet101", 36: "resnet152"}  # blocks of the third stage


def refiner_from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A published MaskRefineNet state dict as one of `MaskRefineNet`.

    Raises ValueError naming the first key that no published network has.
    """
    first = first_layer(state)
    ours = {
        "first.seen.weight": first[:, [0, 1, 2, -1]].contiguous(),
        "first.heat_weight": first[:, 3:-1].transpose(0, 1).contiguous(),
    }
    for key, value in state.items():
        if key != "layer0.0.weight":
            ours[refiner_name(key)] = value
    return ours


def refiner_config_from_published(state: Mapping[str, Tensor]) -> MaskRefineNetConfig:
    """The configuration of the network that these published weights belong to."""
    num_blocks = len({key.split(".")[1] for key in state if key.startswith("layer3.")})
    if num_blocks not in RESNET_BY_BLOCKS:
        raise ValueError(
            f"MaskRefineNet weights: {num_blocks} blocks in layer3, wanted one of "
            f"{RESNET_BY_BLOCKS}; is this a published MaskRefineNet?"
        )
    coarse, middle, fine, last = (
        state[f"decoder_{step}.conv.1.0.weight"].shape[0] for step in (3, 2, 1, 0)
    )
    return MaskRefineNetConfig(
        encoder=RESNET_BY_BLOCKS[num_blocks],
        weights="none",
        aspp_width=state["aspp.project.0.weight"].shape[0],
        decoder_widths=(coarse, middle, fine, last),
    )


def refiner_num_classes_from_published(state: Mapping[str, Tensor]) -> int:
    """How many classes these published weights know."""
    return first_layer(state).shape[1] - 5  # less RGB, rough mask and the unused heat channel


def first_layer(state: Mapping[str, Tensor]) -> Tensor:
    weight = state.get("layer0.0.weight")
    if weight is None or weight.ndim != 4 or weight.shape[1] < 6:
        raise ValueError(
            f"MaskRefineNet weights: no first layer layer0.0.weight of at least 6 channels among "
            f"{len(state)} tensors; is this a published MaskRefineNet?"
        )
    return weight


def refiner_name(published: str) -> str:
    return renamed(published, REFINER_NAMES, "MaskRefineNet")


def segmenter_from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A published SOLOv2 state dict as one of `SOLOv2`.

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
    """The configuration of the network that these published weights belong to.

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
    return SOLOv2Config(
        backbone=BackboneConfig(
            name=RESNET_BY_BLOCKS[num_blocks], weights="none", stride_in_1x1=True
        ),
        grids=grids,
        pyramid_channels=state["backbone.fpn_output2.weight"].shape[0],
        head_channels=state["ins_head.cate_pred.weight"].shape[1],
        num_head_convs=sum(
            key.startswith("ins_head.cate_tower.") and value.ndim == 4
            for key, value in state.items()
        ),
        mask_channels=state["mask_head.conv_pred.0.weight"].shape[1],
        kernel_channels=state["ins_head.kernel_pred.weight"].shape[0],
    )


def segmenter_num_classes_from_published(state: Mapping[str, Tensor]) -> int:
    """How many classes these published weights know."""
    return state["ins_head.cate_pred.weight"].shape[0]


def renamed(published: str, names: Names, network: str) -> str:
    """Our name of a published key; ValueError if no pattern of `names` fits."""
    for pattern, ours in names:
        name, count = re.subn(f"^{pattern}", ours, published)
        if count:
            return name
    raise ValueError(f"{network} weights: {published} is in no published network")


def block_name(found: re.Match[str]) -> str:
    return f"backbone.body.layer{int(found[1]) - 1}.{found[2]}"


def layer_name(found: re.Match[str]) -> str:
    """Published towers are flat: convolution, norm and activation take three places."""
    block, place = divmod(int(found[1]), 3)
    return f"tower.{block}.{place}."
