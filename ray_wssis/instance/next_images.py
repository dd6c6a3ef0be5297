"""The weak images that a person should draw masks for next.

An image gains by what its pseudo masks lack: an object counts with 1 minus the expected IoU of its
mask, and with 1 without one.  Two images alike teach little more than one, so a gain counts less
the nearer the image is to one that was chosen before, or that has true masks already; and near
duplicates of those are left out.  How near is told by colours and edges of a thumbnail.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float64, UInt8
from numpy.typing import NDArray
from upath import UPath

from ray_wssis.artifacts import Artifact
from ray_wssis.data.coco.write import CocoWriter
from ray_wssis.data.images.read import ImageError, read_bytes, read_image
from ray_wssis.data.records import Category, Object, Record, Records
from ray_wssis.instance.merging import incomplete, pseudo
from ray_wssis.instance.quality import QualityModel
from ray_wssis.instance.split import REJECTED, STRONG, WEAK
from ray_wssis.masks import nowhere
from ray_wssis.run import ROWS
from ray_wssis.streaming.table import RowsById, each_row

LABELS = "labels.json"  # beside the images
CANDIDATES = 10  # for each image wanted; the others are not looked at
MOST_STRONG = 200  # images with masks that candidates are compared with
SIDE = 16  # pixels of a thumbnail
CELLS = 4  # on a side: of the grid that colours and edges are averaged in
NUM_TRAITS = 4 * CELLS * CELLS
SAME = 3.0  # gray levels, on average: closer thumbnails are of near duplicates
READERS = 4  # threads

Floats = NDArray[np.float64]
Row = dict[str, Any]
Thumbnail = UInt8[NDArray[np.uint8], "16 16 3"]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An image that could be next."""

    row: Row  # of the labels
    expected: list[float | None]  # IoU of each mask
    gain: float  # 0..1


@dataclass(frozen=True, kw_only=True)
class Look:
    """Holds how images look, a row for each."""

    traits: Float64[Floats, "N F"]  # colours and edges, each about as telling as the others
    thumbnails: Float64[Floats, "N P"]  # gray levels

    @classmethod
    def of(cls, small: Sequence[Thumbnail]) -> "Look":
        traits = np.array([traits_of(pixels) for pixels in small]).reshape(len(small), NUM_TRAITS)
        spread = traits.std(0) if len(traits) else np.ones(NUM_TRAITS)
        gray = [cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).ravel() for pixels in small]
        thumbnails = np.array(gray, np.float64)
        return cls(traits=traits / np.maximum(spread, 1e-3), thumbnails=thumbnails)

    def distances(self, one: int) -> Float64[Floats, " N"]:
        """Return the distance of every image to this one; that of near duplicates is 0."""
        apart: Floats = np.linalg.norm(self.traits - self.traits[one], axis=1)
        differs = np.abs(self.thumbnails - self.thumbnails[one]).mean(1)
        return np.where(differs < SAME, 0.0, apart)


def traits_of(small: Thumbnail) -> Float64[Floats, " F"]:
    """Average colours (CIE Lab) and edges in the cells of a grid: (F,)."""
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).astype(np.float64)
    gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    x, y = (cv2.Sobel(gray, cv2.CV_64F, *order) for order in ((1, 0), (0, 1)))
    maps = np.dstack([lab, np.hypot(x, y)])  # (S, S, 4)
    cells = maps.reshape(CELLS, SIDE // CELLS, CELLS, SIDE // CELLS, 4).mean((1, 3))
    return np.asarray(cells.ravel(), np.float64)


def next_images(
    data: Artifact,
    labels: Artifact,
    model: QualityModel,
    number: int,
) -> list[Candidate]:
    """Choose up to `number` weak images of a run, the best first; images that cannot be read are
    none."""
    most = CANDIDATES * number
    found = candidates(labels, model, most, incomplete(data / REJECTED))
    strong = [record.file for record in first(Records.read(data / STRONG), MOST_STRONG)]
    files = [*(each.row["file"] for each in found), *strong]
    with ThreadPoolExecutor(READERS) as pool:
        small = list(pool.map(thumbnail, files))
    readable = [place for place, pixels in enumerate(small) if pixels is not None]
    look = Look.of([pixels for pixels in small if pixels is not None])
    gains = np.array([found[place].gain if place < len(found) else 0.0 for place in readable])
    is_strong = np.array([place >= len(found) for place in readable], np.bool_)
    return [found[readable[place]] for place in choose(gains, is_strong, look, number)]


def candidates(
    labels: Artifact, model: QualityModel, most: int, left_out: Collection[int]
) -> list[Candidate]:
    """Return the weak images of the highest gains, the highest first.

    Without audit images nothing is expected; then the labeller's own confidence stands in.
    """
    columns = ["image_id", "refined_score", "error", *model.columns]
    gains: list[tuple[float, int]] = []
    for row in each_row(labels / ROWS, columns, source=UPath(WEAK).stem):
        if row["error"] is None and row["label"] and row["image_id"] not in left_out:
            gains.append((-gain_of(row, model.expected_iou(row)), row["image_id"]))
    rows = RowsById(labels / ROWS, UPath(WEAK).stem)
    found = []
    for gain, image_id in sorted(gains)[:most]:
        whole = rows.get(image_id)
        assert whole is not None, f"image {image_id} is gone from the labels"
        found.append(Candidate(row=whole, expected=model.expected_iou(whole), gain=-gain))
    return found


def gain_of(row: Row, expected: Sequence[float | None]) -> float:
    """Return the mean of what the masks of an image lack.

    As if there were one more mask without fault: of several poor masks one is sure to be poor, and
    a single one may be judged wrongly.
    """
    lacks = [
        1.0 if not area else 1 - (score if iou is None else iou)
        for area, iou, score in zip(row["area"], expected, row["refined_score"], strict=True)
    ]
    return sum(lacks) / (len(lacks) + 1)


def choose(
    gains: Float64[Floats, " N"],
    is_taken: Bool[NDArray[np.bool_], " N"],
    look: Look,
    number: int,
) -> list[int]:
    """Choose places one by one: of the highest gain, times the distance to the nearest taken image.

    That distance counts up to the one that is usual between two images.  Near duplicates of taken
    images are never chosen.
    """
    nearest = np.full(len(gains), np.inf)
    for place in np.flatnonzero(is_taken):
        nearest = np.minimum(nearest, look.distances(int(place)))
    usual = usual_distance(look)
    chosen: list[int] = []
    while len(chosen) < number:
        worth = np.where(is_taken, 0.0, gains * np.minimum(1.0, nearest / usual))
        worth[chosen] = 0.0
        best = int(worth.argmax()) if len(worth) else 0
        if not len(worth) or worth[best] <= 0:
            break
        chosen.append(best)
        nearest = np.minimum(nearest, look.distances(best))
    return chosen


def usual_distance(look: Look) -> float:
    """Return the median distance between two images, of at most a hundred."""
    step = max(1, len(look.traits) // 100)
    some = look.traits[::step]
    apart = np.linalg.norm(some[:, None] - some[None], axis=2)
    between = apart[np.triu_indices(len(some), 1)]
    return max(float(np.median(between)) if len(between) else 1.0, 1e-6)


def write_next(
    folder: UPath, chosen: Sequence[Candidate], categories: Sequence[Category], masks: str
) -> None:
    """Write copies of the images and `labels.json`, a COCO file about them, the first one first.

    It holds their pseudo masks, of the column `masks` of the labels, to be corrected, and `rank`
    and `expected_gain` of each image with its objects.  Nobody has looked at the images.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = names_of([each.row["file"] for each in chosen])
    for each, name in zip(chosen, names, strict=True):
        copy = folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(read_bytes(each.row["file"]))
    info = {"description": "images to draw masks for next; rank 1 is worth most"}
    with CocoWriter(folder / LABELS, categories, info) as coco:
        for rank, (each, name) in enumerate(zip(chosen, names, strict=True), start=1):
            more = [
                pseudo({}, each.row, i, iou) | {"rank": rank, "expected_gain": round(each.gain, 4)}
                for i, iou in enumerate(each.expected)
            ]
            coco.add(drawn(each.row, name, masks), more)


def names_of(files: Sequence[str]) -> list[str]:
    """Name copies of files as these are, in numbered folders where names are the same."""
    seen: Counter[str] = Counter()
    names = []
    for file in files:
        name = UPath(file).name
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{seen[name]}/{name}")
    return names


def drawn(row: Row, file: str, masks: str) -> Record:
    """Make the record of an image that nobody has looked at with its pseudo masks; objects without
    one keep their point."""
    columns = zip(row["annotation_id"], row["label"], row[masks], row["x"], row["y"], strict=True)
    return Record(
        image_id=row["image_id"],
        file=file,
        width=row["width"],
        height=row["height"],
        annotated=nowhere(row["height"], row["width"]),
        objects=tuple(
            Object(annotation_id=number, label=label, mask=mask, point=(x, y))
            for number, label, mask, x, y in columns
        ),
    )


def first(records: Iterable[Record], most: int) -> list[Record]:
    return [record for _, record in zip(range(most), records, strict=False)]


def thumbnail(file: str) -> Thumbnail | None:
    """Read an image as a thumbnail; None if it cannot be read."""
    try:
        return np.asarray(
            cv2.resize(read_image(file), (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8
        )
    except ImageError:
        return None
