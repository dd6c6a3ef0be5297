"""Published PointWSSIS weights under our names: renames of state dicts.

SOLOv2: published networks see BGR from 0 to 255 less the mean; ours RGB of mean 0 and deviation 1.
Order and scale move into the first convolution, so the features are the same.
MaskRefineNet: the published first layer has 3 + (C + 1) + 1 input channels in the order RGB, heat
map bank, rough mask; ours keeps the bank's filters apart (see `mask_refine_net`).
"""

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ray_wssis.models.backbone_config import PIXEL_STD, BackboneConfig
from ray_wssis.models.mask_refine_net import MaskRefineNet
from ray_wssis.models.mask_refine_net_config import MaskRefineNetConfig
from ray_wssis.models.solov2 import SOLOv2
from ray_wssis.models.solov2_config import SOLOv2Config

# How a published name and ours begin; the first pair that fits.  {a:s} counts a, a + s, a + 2 s,
# and so on ({a}: by ones); the n-th number on one side belongs to the n-th on the other.
Names = Sequence[tuple[str, str]]
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
COUNT = re.compile(r"\{(\d+):?(-?\d*)\}")
BATCH_COUNTER = (
    "num_batches_tracked"  # of a batch norm; some files have it, no result depends on it
)
RESNET_BY_BLOCKS = {6: "resnet50", 23: "resnet101", 36: "resnet152"}  # blocks of the third stage
MAX_NAMED = 5  # tensors named in an error


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


def length(state: Mapping[str, Tensor], key: str, axis: int, otherwise: int) -> int:
    """Return the length of one axis of a tensor, or `otherwise`; `fitting` lists missing ones."""
    value = state.get(key)
    return value.shape[axis] if value is not None and value.ndim > axis else otherwise


def fitting(
    state: Mapping[str, Tensor], wanted: Mapping[str, torch.Size], network: str
) -> dict[str, Tensor]:
    """Return the tensors of `state`, which must be those of `wanted` (published names).

    Only the counters of batch norms may be missing, and are left out where they have no place.
    Raises ValueError with all that is wrong.
    """
    unused = [key for key in state if key not in wanted and not key.endswith(BATCH_COUNTER)]
    missing = [key for key in wanted if key not in state and not key.endswith(BATCH_COUNTER)]
    wrong = [
        f"{key} is {list(state[key].shape)}, wanted {list(shape)}"
        for key, shape in wanted.items()
        if key in state and state[key].shape != shape
    ]
    named = (("unused", unused), ("missing", missing), ("of another shape", wrong))
    problems = [f"{len(keys)} {what} ({first_of(keys)})" for what, keys in named if keys]
    if problems:
        raise ValueError(f"{network} weights: among {len(state)} tensors {', '.join(problems)}")
    return {key: value for key, value in state.items() if key in wanted}


def first_of(names: Sequence[str]) -> str:
    """Name a few of many, for a sentence."""
    return ", ".join(names[:MAX_NAMED]) + (", ..." if len(names) > MAX_NAMED else "")


def renamed(published: str, names: Names, network: str) -> str:
    """Return our name of a published key; raise ValueError if no prefix in `names` fits."""
    for theirs, ours in names:
        name = exchanged(published, theirs, ours)
        if name is not None:
            return name
    raise ValueError(f"{network} weights: {published} is in no published network")


def published_name(ours: str, names: Names) -> str:
    """Return the published name of one of our keys; the opposite of `renamed`."""
    found = (exchanged(ours, mine, theirs) for theirs, mine in names)
    return next(name for name in found if name is not None)


def exchanged(name: str, old: str, new: str) -> str | None:
    """Replace the prefix `old` of `name` by `new`; None if it has another one.

    >>> exchanged("conv6.norm.bias", "conv{0:3}.", "layer.{1}.")
    'layer.3.norm.bias'
    """
    texts, counts = parts(old)
    found = re.match(r"(\d{1,3})".join(re.escape(text) for text in texts), name)
    if not found:
        return None
    places = []
    for number, (first, step) in zip(found.groups(), counts, strict=True):
        place, rest = divmod(int(number) - first, step)
        if place < 0 or rest:
            return None
        places.append(place)
    texts, counts = parts(new)
    beginning = texts[0]
    for text, place, (first, step) in zip(texts[1:], places, counts, strict=True):
        beginning += f"{first + step * place}{text}"
    return beginning + name[found.end() :]


def parts(beginning: str) -> tuple[list[str], list[tuple[int, int]]]:
    """Split an entry of `Names`: the texts around its counts, and the counts as (first, step)."""
    texts, firsts, steps = (COUNT.split(beginning)[k::3] for k in range(3))
    return texts, [(int(a), int(s or 1)) for a, s in zip(firsts, steps, strict=True)]
