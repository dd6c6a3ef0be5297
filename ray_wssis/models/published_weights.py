"""Published PointWSSIS weights under our names: pure renames of state dicts.

MaskRefineNet: the published first layer has 3 + (C + 1) + 1 input channels in the order RGB, heat
map bank, rough mask; ours keeps the bank's filters apart (see `mask_refine_net`).
"""

import re
from collections.abc import Mapping

from torch import Tensor

from ray_wssis.models.mask_refine_net import MaskRefineNetConfig

REFINER_NAMES = (  # published pattern -> ours, the first that matches
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
    for pattern, ours in REFINER_NAMES:
        renamed, count = re.subn(f"^{pattern}", ours, published)
        if count:
            return renamed
    raise ValueError(f"MaskRefineNet weights: {published} is in no published network")
