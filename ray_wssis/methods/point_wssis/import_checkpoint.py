"""Published PointWSSIS checkpoints as model folders of ours.

A file of SOLOv2 becomes a segmenter, one of MaskRefineNet a refiner.  Both behave as the published
code does (`compat: reference`), because the weights were made with it.
"""

from collections.abc import Mapping
from typing import Literal

from torch import Tensor
from torchvision.models.detection import MaskRCNN_ResNet50_FPN_Weights
from upath import UPath

from ray_wssis.data.coco.read import read_categories
from ray_wssis.data.records import Category
from ray_wssis.instance.segmenter import Segmenter
from ray_wssis.instance.segmenter_config import OVERLAPPING_RANGES, SegmenterConfig
from ray_wssis.methods.point_wssis.refiner import Refiner
from ray_wssis.models.published.checkpoint import read_checkpoint
from ray_wssis.models.published.names import first_of
from ray_wssis.models.published.refiner import (
    load_published_refiner,
    refiner_config_from_published,
    refiner_num_classes_from_published,
)
from ray_wssis.models.published.segmenter import (
    load_published_segmenter,
    segmenter_config_from_published,
    segmenter_num_classes_from_published,
)
from ray_wssis.storage import Place, hash_file, locate, names_in

Role = Literal["teacher", "student"]
GRIDS: dict[Role, tuple[int, int, int, int, int]] = {  # cells per side
    "teacher": (80, 64, 32, 24, 12),
    "student": (40, 36, 24, 16, 12),
}
DISJOINT_RANGES = ((1, 72), (72, 144), (144, 288), (288, 584), (584, 2048))
RANGES = {"teacher": DISJOINT_RANGES, "student": OVERLAPPING_RANGES}  # pixels, `scale_ranges`

COCO = {
    number: name
    for number, name in enumerate(MaskRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"])
    if name not in ("__background__", "N/A")
}
BDD100K = {
    1: "pedestrian",
    2: "rider",
    3: "car",
    4: "truck",
    5: "bus",
    6: "train",
    7: "motorcycle",
    8: "bicycle",
}


def import_checkpoint(
    file: Place, out: Place, grids: Role | None = None, categories: Place | None = None
) -> Segmenter | Refiner:
    """The network of a published checkpoint, saved to the model folder `out`.

    `grids` is for a SOLOv2: whose grids and scale ranges it was trained with, which its weights do
    not show; without it the student's.  `categories` is a COCO file with the classes; without it
    see `known_categories`.  Raises ValueError, and writes nothing, when the file is not whole, not
    published, or does not fit, and when `out` is not empty.
    """
    source, folder = locate(file), locate(out)
    if names_in(folder):
        raise ValueError(f"{folder}: is there and not empty; give a new folder")
    state = read_checkpoint(source)
    model: Segmenter | Refiner
    if any(key.startswith("ins_head.") for key in state):
        model = import_segmenter(state, grids or "student", categories)
    elif any(key.startswith("decoder_") for key in state):
        if grids is not None:
            raise ValueError(f"grids of a {grids}: {source} holds a MaskRefineNet, which has none")
        model = import_refiner(state, categories)
    else:
        raise ValueError(
            f"{source}: neither a published SOLOv2 (ins_head.*) nor a MaskRefineNet (decoder_*), "
            f"but {len(state)} other tensors ({first_of(list(state))})"
        )
    model.save(folder, card(model, source))
    return model


def import_segmenter(
    state: Mapping[str, Tensor], grids: Role, categories: Place | None
) -> Segmenter:
    """A published SOLOv2 as a segmenter; ValueError when tensors or categories do not fit."""
    network_config = segmenter_config_from_published(state, GRIDS[grids])
    classes = categories_of(segmenter_num_classes_from_published(state), categories)
    config = SegmenterConfig(network=network_config, scale_ranges=RANGES[grids], compat="reference")
    return Segmenter(load_published_segmenter(state, network_config), config, classes)


def import_refiner(state: Mapping[str, Tensor], categories: Place | None) -> Refiner:
    """A published MaskRefineNet as a refiner; ValueError when tensors or categories do not fit."""
    config = refiner_config_from_published(state)
    classes = categories_of(refiner_num_classes_from_published(state), categories)
    return Refiner(load_published_refiner(state, config), classes)


def categories_of(num_classes: int, file: Place | None) -> tuple[Category, ...]:
    """The categories of a COCO file, which must be `num_classes`; without a file the known ones."""
    if file is None:
        return known_categories(num_classes)
    categories = read_categories(str(file))
    if len(categories) != num_classes:
        raise ValueError(
            f"{file}: lists {len(categories)} categories, the network knows {num_classes} classes"
        )
    return categories


def known_categories(num_classes: int) -> tuple[Category, ...]:
    """COCO's categories if there are 80, BDD100K's if there are 8, otherwise 1..C without names."""
    numbered = {number: str(number) for number in range(1, num_classes + 1)}
    names = {len(COCO): COCO, len(BDD100K): BDD100K}.get(num_classes, numbered)
    return tuple(Category(id=number, name=name) for number, name in names.items())


def describe(model: Segmenter | Refiner) -> str:
    """Name the model in a few words."""
    num_classes = len(model.categories)
    if isinstance(model, Refiner):
        return f"MaskRefineNet with {model.network.config.encoder}, {num_classes} classes"
    network = model.config.network
    grids = ", ".join(str(side) for side in network.grids)
    return f"SOLOv2 with {network.backbone.name}, {num_classes} classes, grids {grids}"


def card(model: Segmenter | Refiner, source: UPath) -> str:
    """Describe the imported model for people."""
    names = ", ".join(category.name for category in model.categories)
    return (
        f"# {describe(model)}: published weights\n\n"
        f"Imported by ray-wssis from `{source.name}` (SHA-256 {hash_file(source)}).\n\n"
        f"- classes: {names}\n"
        f"- behaves as the published code does (compat: reference)\n"
        f"- the licence of the published weights applies to this model\n"
    )
