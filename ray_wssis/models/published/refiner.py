"""Published MaskRefineNet weights under our names.

The published first layer has 3 + (C + 1) + 1 input channels in the order RGB, heat map bank, rough
mask; ours keeps the filters of the bank apart (see `mask_refine_net`).
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from ray_wssis.models.mask_refine_net import MaskRefineNet
from ray_wssis.models.mask_refine_net_config import MaskRefineNetConfig
from ray_wssis.models.published.names import (
    RESNET_BY_BLOCKS,
    Names,
    fitting,
    length,
    published_name,
    renamed,
)

REFINER_NAMES: Names = (
    ("layer0.0.", "first.seen."),
    ("layer0.1.", "encoder.bn1."),
    ("layer1.1.", "encoder.layer1."),
    ("layer{2}.", "encoder.layer{2}."),
    ("aspp.convs.0.1.", "aspp.whole."),
    ("aspp.convs.1.", "aspp.local."),
    ("aspp.convs.{2}.", "aspp.dilated.{0}."),
    ("aspp.project.", "aspp.project."),
    ("decoder_{3:-1}.conv.0.", "decoder.{0}.join."),
    ("decoder_{3:-1}.conv.1.", "decoder.{0}.smooth."),
    ("head.", "head."),
)


def load_published_refiner(
    state: Mapping[str, Tensor], config: MaskRefineNetConfig
) -> MaskRefineNet:
    """Build the network of a published state dict; see `refiner_config_from_published`.

    Raises ValueError naming tensors that are unused, missing or of another shape.
    """
    num_classes = refiner_num_classes_from_published(state)
    with torch.device("meta"):
        wanted = refiner_shapes(MaskRefineNet(config, num_classes))
    ours = refiner_from_published(fitting(state, wanted, "MaskRefineNet"))
    network = MaskRefineNet(config, num_classes)
    network.load_state_dict({**network.state_dict(), **ours})
    return network


def refiner_shapes(network: MaskRefineNet) -> dict[str, torch.Size]:
    """Return the published shape of every tensor of `network`, by its published name."""
    state = network.state_dict()
    num_heat = len(state.pop("first.heat_weight"))
    shapes = {published_name(key, REFINER_NAMES): value.shape for key, value in state.items()}
    num_out, num_seen, *size = shapes["layer0.0.weight"]
    shapes["layer0.0.weight"] = torch.Size([num_out, num_seen + num_heat, *size])
    return shapes


def refiner_from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert a published MaskRefineNet state dict to one of `MaskRefineNet`.

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
    """Derive the configuration of the network that these published weights belong to."""
    num_blocks = len({key.split(".")[1] for key in state if key.startswith("layer3.")})
    if num_blocks not in RESNET_BY_BLOCKS:
        raise ValueError(
            f"MaskRefineNet weights: {num_blocks} blocks in layer3, wanted one of "
            f"{RESNET_BY_BLOCKS}; is this a published MaskRefineNet?"
        )
    published = MaskRefineNetConfig()
    coarse, middle, fine, last = (
        length(state, f"decoder_{step}.conv.1.0.weight", 0, width)
        for step, width in zip((3, 2, 1, 0), published.decoder_widths, strict=True)
    )
    return MaskRefineNetConfig(
        encoder=RESNET_BY_BLOCKS[num_blocks],
        weights="none",
        aspp_width=length(state, "aspp.project.0.weight", 0, published.aspp_width),
        decoder_widths=(coarse, middle, fine, last),
        compat="reference",
    )


def refiner_num_classes_from_published(state: Mapping[str, Tensor]) -> int:
    """Return the number of classes of these published weights."""
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
