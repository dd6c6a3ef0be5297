"""COCO files with pseudo masks, and corrections of them."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np

from ray_wssis import masks
from ray_wssis.data.corrections.merge import Merged, merge_corrections

Entry = dict[str, Any]

LEFT, MIDDLE, RIGHT = (
    masks.encode(np.arange(6) // 2 == column * np.ones((4, 1))) for column in range(3)
)


def rle(counts: bytes) -> Entry:
    return {"size": [4, 6], "counts": counts.decode()}


def pseudo(number: int, counts: bytes, image: int = 5) -> Entry:
    """A pseudo annotation of the class dog, with keys that only others know."""
    return {
        "id": number,
        "image_id": image,
        "category_id": 9,
        "iscrowd": 0,
        "point": [1.5, 0.25],
        "segmentation": rle(counts),
        "bbox": [0, 0, 2, 4],
        "area": 8,
        "expected_iou": 0.3,
        "flags": ["duplicate"],
        "pseudo": {"teacher": "0123456789ab", "point_id": number},
        "colour": {"of": [1e-7, None, "é"]},
    }


def coco(*annotations: Entry, **lists: list[Entry]) -> Entry:
    """Two 6 x 4 images with these annotations."""
    data = {
        "info": {"by": "somebody", "at": 0.1},
        "images": [
            {"id": i, "file_name": f"{i}.png", "width": 6, "height": 4, "flickr": "x"}
            for i in (5, 6)
        ],
        "annotations": list(annotations),
        "categories": [{"id": 9, "name": "dog", "supercategory": "pet"}, {"id": 2, "name": "cat"}],
        "licenses": [{"id": 1}],
    }
    return copy.deepcopy(data | lists)


BASE = coco(pseudo(1, LEFT), pseudo(2, RIGHT), pseudo(3, LEFT, image=6))


def drawn(number: int, counts: bytes, image: int = 5, **extra: Any) -> Entry:
    """The least that a person's annotation needs."""
    entry = {"id": number, "image_id": image, "category_id": 9, "segmentation": rle(counts)}
    return entry | extra


def merged(folder: Path, *corrections: Entry, base: Entry = BASE) -> tuple[Merged, Entry]:
    files = []
    for i, data in enumerate([base, *corrections]):
        files.append(folder / f"{i}.json")
        files[-1].write_text(json.dumps(data))
    numbers = merge_corrections(str(files[0]), [str(x) for x in files[1:]], str(folder / "o.json"))
    return numbers, json.loads((folder / "o.json").read_text())
