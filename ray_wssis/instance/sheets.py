"""Contact sheets of pseudo masks: the worst, the median, the best, and points without one.

A tile is a window around one object with its point, its rough mask, its refined mask and, if
known, the true one.  Only images that are shown are read.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ray_wssis.data.images.read import ImageError, read_image
from ray_wssis.data.records import Record
from ray_wssis.instance.label_numbers import LabelNumbers, RecordsById
from ray_wssis.masks import bounding_box
from ray_wssis.report.drawing import Pixels, draw_pixels, outline, window_around

TILE = 200  # display units of a tile's side
SMALLEST = 32  # pixels of the image in a tile, at least
MARGIN = 0.18  # of a tile, free around the object
TILES = 12  # on a sheet


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One object, ready to be drawn."""

    pixels: Pixels | None  # None: the image cannot be read any more
    outlines: dict[str, str]  # rough, refined, truth -> path
    point: tuple[float, float]  # display units
    name: str  # of the class
    figure: str  # that it is judged by
    description: str  # in words, for readers who cannot see it


@dataclass(frozen=True, kw_only=True)
class Sheet:
    title: str
    note: str
    tiles: list[Tile]


def contact_sheets(
    numbers: LabelNumbers, truth: RecordsById | None, names: list[str]
) -> list[Sheet]:
    """Draw the sheets that have any tile.  `names` are those of the classes."""
    picked = pick(numbers)
    chosen = sorted({index for indices in picked.values() for index in indices})
    rows = numbers.rows(chosen) if chosen else {}
    records = truth.find(sorted(rows)) if truth else {}
    tiles = {}
    for index in chosen:
        image_id = int(numbers.image_id[index])
        row, item = rows[image_id], int(numbers.item[index])
        name = names[row["label"][item]]
        tiles[index] = draw_tile(row, item, name, judge(numbers, index), records.get(image_id))
    measure = "IoU with the hidden true mask" if numbers.knows_truth else "score of the refiner"
    notes = {
        "Worst": f"lowest {measure}, one per image",
        "Median": f"middle of all masks by {measure}",
        "Best": f"highest {measure}",
        "Without a mask": "points for which nothing was drawn",
    }
    return [
        Sheet(title=title, note=notes[title], tiles=[tiles[index] for index in indices])
        for title, indices in picked.items()
        if indices
    ]


def pick(numbers: LabelNumbers, num_tiles: int = TILES) -> dict[str, list[int]]:
    """Choose the points of each sheet: none twice, and one per image on a sheet."""
    drawn = np.flatnonzero(numbers.has_mask & np.isfinite(numbers.quality))
    order = drawn[np.argsort(numbers.quality[drawn], kind="stable")]
    from_middle = np.argsort(np.abs(np.arange(len(order)) - len(order) // 2), kind="stable")
    most = min(num_tiles, len(order) // 3 or 1)  # few masks: each is on one sheet only
    taken: set[int] = set()
    return {
        "Worst": first_of_each(order, numbers, most, taken),
        "Median": sorted(
            first_of_each(order[from_middle], numbers, most, taken),
            key=lambda index: float(numbers.quality[index]),
        ),
        "Best": first_of_each(order[::-1], numbers, most, taken),
        "Without a mask": first_of_each(
            np.flatnonzero(~numbers.has_mask), numbers, num_tiles // 2, taken
        ),
    }


def first_of_each(
    order: Iterable[int], numbers: LabelNumbers, most: int, taken: set[int]
) -> list[int]:
    """Take the first points of `order`, each from another image, that are not `taken` yet."""
    found: list[int] = []
    images: set[int] = set()
    for index in map(int, order):
        if len(found) == most:
            break
        image_id = int(numbers.image_id[index])
        if index not in taken and image_id not in images:
            found.append(index)
            images.add(image_id)
    taken.update(found)
    return found


def draw_tile(
    row: dict[str, Any], item: int, name: str, figure: str, truth: Record | None = None
) -> Tile:
    """Draw the window around one point of a row of labels, with all known masks of its object."""
    height, width = row["height"], row["width"]
    masks = {"rough": row["rough"][item], "refined": row["refined"][item]}
    for obj in () if truth is None else truth.objects:
        if obj.annotation_id == row["annotation_id"][item]:
            masks["truth"] = obj.mask
    x, y = row["x"][item], row["y"][item]
    boxes = [bounding_box(mask, height, width) for mask in masks.values() if mask]
    window = window_around(
        [*(box for box in boxes if box[2] > box[0]), (x, y, x, y)],
        height,
        width,
        margin=MARGIN,
        smallest=SMALLEST,
        longest=TILE,
    )
    try:
        pixels = draw_pixels(read_image(row["file"], (height, width)), window)
    except ImageError:
        pixels = None
    return Tile(
        pixels=pixels,
        outlines={kind: outline(mask, height, width, window) for kind, mask in masks.items()},
        point=window.place(x, y),
        name=name,
        figure=figure,
        description=f"{name} in image {row['image_id']}, point at ({x:.0f}, {y:.0f}): {figure}",
    )


def judge(numbers: LabelNumbers, index: int) -> str:
    if not numbers.has_mask[index]:
        return "no mask"
    if not numbers.knows_truth:
        return f"score {numbers.score[index]:.2f}"
    return f"IoU {numbers.rough_iou[index]:.2f} → {numbers.refined_iou[index]:.2f}"
