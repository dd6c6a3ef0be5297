"""PASCAL VOC trees: JPEGImages, SegmentationClass, and the lists in ImageSets/Segmentation.

SegmentationClassAug holds the class maps of further images, which the Semantic Boundaries Dataset
(SBD) drew; its own folder `cls` of MATLAB files may be there instead.  A list is a file of names,
never a share, so results can be compared with those of others.
"""

from collections.abc import Sequence
from posixpath import splitext

from upath import UPath

from ray_wssis.data.class_maps.classes import Classes
from ray_wssis.data.class_maps.names import read_names, stem
from ray_wssis.data.class_maps.pairs import Pair, read_pairs
from ray_wssis.data.problem import Problems
from ray_wssis.data.records import Category, Records
from ray_wssis.storage import Place, locate, names_in

IMAGES = "JPEGImages"
MAPS = ("SegmentationClass", "SegmentationClassAug", "cls")  # the first that has a name is taken
MAP_ENDS = (".png", ".mat")
LISTS = ("ImageSets/Segmentation", "ImageSets/SegmentationAug")

NAMES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat"),
    *("chair", "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant"),
    *("sheep", "sofa", "train", "tvmonitor"),
)
SHORT_NAMES = {  # in files of scribbles
    "plane": "aeroplane",
    "bike": "bicycle",
    "table": "diningtable",
    "plant": "pottedplant",
    "monitor": "tvmonitor",
}
CLASSES = Classes(
    categories=tuple(Category(id=value, name=name) for value, name in enumerate(NAMES))
)


def read_voc(root: Place, names: Sequence[str], problems: Problems) -> Records:
    """Read the named images of a tree, in this order, with the class maps that exist."""
    folder = locate(root)
    map_of: dict[str, str] = {}
    for maps in MAPS:
        for file in names_in(folder / maps):
            if file.endswith(MAP_ENDS):
                map_of.setdefault(splitext(file)[0], str(folder / maps / file))
    pairs = [Pair(str(folder / IMAGES / f"{name}.jpg"), map_of.get(name)) for name in names]
    return read_pairs(pairs, CLASSES, problems, mixed=True)


def lists_in(root: Place) -> dict[str, str]:
    """Return the lists of a tree, paths by name."""
    folder = locate(root)
    return {
        file.removesuffix(".txt"): str(folder / inside / file)
        for inside in reversed(LISTS)
        for file in names_in(folder / inside)
        if file.endswith(".txt")
    }


def list_file(root: Place, name: str) -> str:
    """Locate a list: a name such as `train`, or the path of a file.

    Raises ValueError if there is none.
    """
    lists = lists_in(root)
    if name in lists:
        return lists[name]
    if UPath(name).is_file():
        return name
    raise ValueError(
        f"{name}: there is no such list in {locate(root) / LISTS[0]}, which has "
        f"{', '.join(sorted(lists)) or 'none'}, and no such file"
    )


def listed_names(file: str) -> list[str]:
    """Read the names in a list, without folders and suffixes."""
    return list(dict.fromkeys(stem(name).rpartition("/")[2] for name in read_names(file)))
