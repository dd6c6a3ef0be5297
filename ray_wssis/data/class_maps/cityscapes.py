"""Cityscapes trees: leftImg8bit and gtFine, a folder for each part and city.

The class maps are the `labelIds` files, which hold more classes than the 19 that are trained and
evaluated; pixels of the others are unknown.  A tree without any may have `labelTrainIds` files
instead, whose values are the places of the 19 classes.
"""

from dataclasses import replace

from ray_wssis.data.class_maps.classes import Classes
from ray_wssis.data.class_maps.pairs import Pair, read_pairs
from ray_wssis.data.images.listing import list_files
from ray_wssis.data.problem import Problems
from ray_wssis.data.records import Category, Records
from ray_wssis.storage import Place, locate

IMAGES, MAPS = "leftImg8bit", "gtFine"
IMAGE_END, MAP_END = "_leftImg8bit.png", "_gtFine_labelIds.png"
TRAIN_IDS_END = "_gtFine_labelTrainIds.png"  # values are labels, 0 to 18
TRAIN, VALIDATION = "train", "val"
NUM_VALUES = 34  # of the published label ids, from 0 on

NAMES = {
    7: "road",
    8: "sidewalk",
    11: "building",
    12: "wall",
    13: "fence",
    17: "pole",
    19: "traffic light",
    20: "traffic sign",
    21: "vegetation",
    22: "terrain",
    23: "sky",
    24: "person",
    25: "rider",
    26: "car",
    27: "truck",
    28: "bus",
    31: "train",
    32: "motorcycle",
    33: "bicycle",
}
CLASSES = Classes(
    categories=tuple(Category(id=value, name=name) for value, name in NAMES.items()),
    unknown=frozenset({*range(NUM_VALUES), 255} - set(NAMES)),  # 255 is a licence plate, or unknown
)
TRAIN_IDS = Classes(
    categories=tuple(
        replace(category, id=label) for label, category in enumerate(CLASSES.categories)
    )
)


def read_cityscapes(root: Place, problems: Problems) -> Records:
    """Read the images of training and validation, by part, city and name."""
    folder = locate(root)
    there = {part: set(list_files(str(folder / MAPS / part))) for part in (TRAIN, VALIDATION)}
    has_ids = any(file.endswith(MAP_END) for files in there.values() for file in files)
    end, classes = (MAP_END, CLASSES) if has_ids else (TRAIN_IDS_END, TRAIN_IDS)
    pairs = []
    for part in (TRAIN, VALIDATION):
        images = [
            name for name in list_files(str(folder / IMAGES / part)) if name.endswith(IMAGE_END)
        ]
        if not images:
            wanted = f"a folder for each city with files NAME{IMAGE_END}"
            place = f"{folder / IMAGES / part}"
            problems.add("error", "empty folder", place, "no image in it", wanted)
        for image in images:
            name = image.removesuffix(IMAGE_END) + end
            class_map = str(folder / MAPS / part / name) if name in there[part] else None
            pairs.append(Pair(str(folder / IMAGES / part / image), class_map))
    return Records.from_rows(read_pairs(pairs, classes, problems), CLASSES.categories)


def is_validation(file: str) -> bool:
    """Tell whether an image is in the part for validation."""
    return f"/{IMAGES}/{VALIDATION}/" in file
