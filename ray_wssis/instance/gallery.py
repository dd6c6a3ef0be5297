"""Predictions of a model beside the truth, on a few validation images.

Instances are drawn down to a given score, or to that at which model and truth agree best over all
images.  The images are spread evenly from the best to the worst agreement.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from upath import UPath

from ray_wssis.data.annotated import is_ignored
from ray_wssis.data.images.read import ImageError, read_image
from ray_wssis.data.records import Object, Record
from ray_wssis.instance.label_numbers import ROWS_AT_A_TIME, RecordsById
from ray_wssis.masks import bounding_box, pairwise_iou
from ray_wssis.metrics.confusion import FALLBACK, SAME_IOU
from ray_wssis.report.drawing import Pixels, Window, draw_pixels, outline, whole_image
from ray_wssis.streaming.table import pieces, rows_of, shards

LONGEST = 320  # display units of the longer side of an image
NUM_IMAGES = 8
MOST_NAMES = 14  # written on an image; others appear when pointed at
COLUMNS = ["model", "image_id", "label", "score", "mask"]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Instances of one image, best score first, compared with the truth."""

    file: UPath  # that holds the row
    image_id: int
    num_true: int
    scores: NDArray[np.float64]
    ious: NDArray[np.float64]  # with the object that each one shows; 0: none

    def num_drawn(self, threshold: float) -> int:
        return int((self.scores >= threshold).sum())

    def num_found(self, threshold: float) -> int:
        return int((self.ious[: self.num_drawn(threshold)] > 0).sum())

    def quality(self, threshold: float) -> float:
        """Panoptic quality of the instances that are drawn, 0..1."""
        drawn = self.num_drawn(threshold)
        return float(2 * self.ious[:drawn].sum() / max(1, drawn + self.num_true))


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One mask, ready to be drawn."""

    path: str
    color: int  # by class
    name: str
    title: str  # with score
    x: float  # of the name, in display units
    y: float
    has_room: bool  # for the name


@dataclass(frozen=True, kw_only=True)
class GalleryImage:
    """One validation image, ready to be drawn twice."""

    image_id: int
    size: tuple[int, int]  # (width, height) in display units
    pixels: Pixels | None
    truth: list[Instance]
    found: list[Instance]
    num_true: int
    num_found: int
    num_extra: int
    quality: float


@dataclass(frozen=True, kw_only=True)
class Gallery:
    threshold: float  # score
    num_images: int  # among which these were chosen
    any_found: bool  # an instance of some image and score is right
    images: list[GalleryImage]


def gallery(
    folder: UPath,
    model: str,
    truth: RecordsById,
    names: list[str],
    num_colors: int,
    threshold: float | None = None,
) -> Gallery:
    """Choose images by the predictions of `model` in the Parquet files of `folder`."""
    agreements = [found for found in agree(folder, model, truth) if found.num_true]
    if threshold is None:
        threshold = best_threshold(agreements)
    order = sorted(agreements, key=lambda found: (-found.quality(threshold), found.image_id))
    spread = np.linspace(0, len(order) - 1, min(NUM_IMAGES, len(order))).round().astype(int)
    records = truth.find([order[i].image_id for i in spread])
    images = [
        draw_image(order[i], model, records[order[i].image_id], threshold, names, num_colors)
        for i in spread
    ]
    return Gallery(
        threshold=threshold,
        num_images=len(order),
        any_found=any((found.ious > 0).any() for found in order),
        images=images,
    )


def agree(folder: UPath, model: str, truth: RecordsById) -> Iterator[Agreement]:
    """Compare the predictions for each image with its truth, file by file."""
    for file in shards(folder):
        found = (row for row in rows_of(file, COLUMNS) if is_of(model, row))
        for rows in pieces(found, ROWS_AT_A_TIME):
            records = truth.find([row["image_id"] for row in rows])
            for row in rows:
                if row["image_id"] in records:
                    yield compare(file, row, records[row["image_id"]])


def is_of(model: str, row: dict[str, Any]) -> bool:
    """Tell whether the row is about `model`: it found these, or no model could read the image."""
    return row["model"] in (model, None)


def compare(file: UPath, row: dict[str, Any], record: Record) -> Agreement:
    """Match instances, best score first: each takes the object of its class that it fits best."""
    objects = real_objects(record)
    scores = np.asarray(row["score"] or [], dtype=np.float64)
    order = np.argsort(-scores, kind="stable")
    labels = np.asarray(row["label"] or [], dtype=np.int64)[order]
    found = [(row["mask"])[i] for i in order]
    wanted = [obj.mask for obj in objects if obj.mask is not None]
    overlap = pairwise_iou(found, wanted, record.height, record.width)
    overlap = overlap * (
        labels[:, None] == np.asarray([obj.label for obj in objects], dtype=np.int64)
    )
    ious = np.zeros(len(found))
    for i in range(len(found) if wanted else 0):
        best = int(overlap[i].argmax())
        if overlap[i, best] >= SAME_IOU:
            ious[i] = overlap[i, best]
            overlap[:, best] = 0
    return Agreement(
        file=file,
        image_id=record.image_id,
        num_true=len(wanted),
        scores=scores[order],
        ious=ious,
    )


def real_objects(record: Record) -> list[Object]:
    """Objects whose mask is known, without those that are ignored."""
    return [obj for obj in record.objects if obj.mask is not None and not is_ignored(record, obj)]


def best_threshold(agreements: list[Agreement]) -> float:
    """Score threshold with the best F1 over all images."""
    scores = np.concatenate([np.zeros(0), *(found.scores for found in agreements)])
    hits = np.concatenate([np.zeros(0), *(found.ious for found in agreements)]) > 0
    if not hits.any():
        return FALLBACK
    order = np.argsort(-scores, kind="stable")
    num_true = sum(found.num_true for found in agreements)
    f1 = 2 * np.cumsum(hits[order]) / (np.arange(1, len(order) + 1) + num_true)
    return float(np.floor(scores[order][f1.argmax()] * 100) / 100)


def draw_image(
    agreement: Agreement,
    model: str,
    record: Record,
    threshold: float,
    names: list[str],
    num_colors: int,
) -> GalleryImage:
    with agreement.file.open("rb") as stream:
        table = pq.read_table(stream, filters=[("image_id", "=", agreement.image_id)])
    row = next(row for row in table.select(COLUMNS).to_pylist() if is_of(model, row))
    window = whole_image(record.height, record.width, LONGEST)
    found = [
        (label, mask, score)
        for label, mask, score in zip(
            row["label"] or [], row["mask"] or [], row["score"] or [], strict=True
        )
        if score >= threshold
    ]
    true: list[tuple[int, bytes | None, float | None]] = [
        (obj.label, obj.mask, None) for obj in real_objects(record)
    ]
    try:
        image = read_image(record.file, (record.height, record.width))
        pixels = draw_pixels(image, window)
    except ImageError:
        pixels = None
    num_found = agreement.num_found(threshold)
    return GalleryImage(
        image_id=record.image_id,
        size=window.display,
        pixels=pixels,
        truth=draw_instances(true, record, window, names, num_colors),
        found=draw_instances(found, record, window, names, num_colors),
        num_true=agreement.num_true,
        num_found=num_found,
        num_extra=len(found) - num_found,
        quality=agreement.quality(threshold),
    )


def draw_instances(
    objects: list[tuple[int, bytes | None, float | None]],
    record: Record,
    window: Window,
    names: list[str],
    num_colors: int,
) -> list[Instance]:
    """Draw instances, large ones first, so that small ones lie on top."""
    drawn: list[tuple[int, Instance]] = []
    for label, mask, score in objects:
        if mask is None:
            continue
        x0, y0, x1, y1 = bounding_box(mask, record.height, record.width)
        x, y = window.place(x0, y0)
        room = (x1 - x0) * window.scale >= 16 or len(objects) <= MOST_NAMES // 2
        instance = Instance(
            path=outline(mask, record.height, record.width, window),
            color=label % num_colors,
            name=names[label] if score is None else f"{names[label]} {score:.2f}",
            title=names[label] if score is None else f"{names[label]}, score {score:.2f}",
            x=min(max(x, 3), window.display[0] - 3),
            y=min(max(y - 3, 11), window.display[1] - 3),
            has_room=room and len(drawn) < MOST_NAMES,
        )
        drawn.append(((x1 - x0) * (y1 - y0), instance))
    return [instance for _, instance in sorted(drawn, key=lambda pair: -pair[0])]
