"""Class maps in colours, beside the images that they belong to."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from heapq import nsmallest
from operator import itemgetter
from typing import Any

import cv2
import numpy as np
from upath import UPath

from ray_wssis.data.class_maps.png import UNKNOWN, ClassMap, decode
from ray_wssis.data.images.read import RGB, ImageError, read_image
from ray_wssis.data.records import Record, Records
from ray_wssis.metrics.miou import Counts
from ray_wssis.semantic.count_labels import read_counts
from ray_wssis.semantic.split import VALIDATION, WEAK_TRUTH
from ray_wssis.semantic.to_label import to_label
from ray_wssis.streaming.table import each_row

TILE = 220  # pixels of the longer side of an image on the page
MOST_TILES = 12
JPEG_QUALITY = 85
OPACITY = 0.6  # of the colours over the image


Judged = tuple[float, int, float | None, bytes]  # rank, image id, mIoU, class map


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One image with the class maps that are known of it."""

    name: str  # of the file
    figure: float | None  # mIoU, percent
    views: dict[str, str]  # title -> data URI


def palette(num_classes: int) -> np.ndarray:
    """Return a colour for each label, [K, 3] uint8 RGB, the same on every page: black for label 0,
    then hues a golden angle apart, whose brightness varies."""
    colors = np.zeros((num_classes, 1, 3), np.uint8)
    for label in range(1, num_classes):
        hue = (label * 0.618034) % 1
        colors[label] = (round(179 * hue), 200 - 50 * (label % 2), 255 - 60 * (label % 3))
    rgb: np.ndarray = cv2.cvtColor(colors, cv2.COLOR_HSV2RGB)[:, 0]
    rgb[0] = 0
    return rgb


def label_tiles(folder: UPath, names: list[str]) -> list[Tile]:
    """Draw the pseudo labels that are worst: by the truth where it is known, else by confidence."""
    truth_file = folder / "split" / WEAK_TRUTH
    truth = {record.image_id: record for record in records(truth_file)}
    name = to_label(folder / "split")
    images = {record.image_id: record for record in records(folder / "split" / name)}

    def judged() -> Iterator[Judged]:
        for row in each_row(folder / "labels/rows", source=UPath(name).stem):
            if row["error"] is None:
                quality = compare(row["class_map"], truth.get(row["image_id"]), len(names))
                rank = row["confidence_mean"] if quality is None else quality
                yield rank, row["image_id"], quality, row["class_map"]

    tiles = []
    for _, image_id, quality, png in nsmallest(MOST_TILES, judged(), key=itemgetter(0, 1)):
        maps = {"pseudo label": decode(png)} | true_map(truth.get(image_id))
        tiles += draw(images[image_id], quality, maps, len(names))
    return tiles


def prediction_tiles(folder: UPath, model: str, names: list[str]) -> list[Tile]:
    """Draw the validation images on which a model is worst."""
    truth = {record.image_id: record for record in records(folder / "split" / VALIDATION)}

    def judged() -> Iterator[Judged]:
        for row in each_row(folder / "evaluation/rows"):
            if row["error"] is None and row["way"] == model:
                quality = known(read_counts(row, len(names)))
                yield quality or 0.0, row["image_id"], quality, row["class_map"]

    tiles = []
    for _, image_id, quality, png in nsmallest(MOST_TILES, judged(), key=itemgetter(0, 1)):
        record = truth[image_id]
        tiles += draw(record, quality, {model: decode(png)} | true_map(record), len(names))
    return tiles


def records(file: UPath) -> Records | list[Record]:
    return Records.read(file) if file.exists() else []


def compare(png: bytes, truth: Record | None, num_classes: int) -> float | None:
    """Return the mIoU of a class map in percent; None where the truth is not known."""
    if truth is None or truth.class_map is None:
        return None
    return known(Counts.of(decode(truth.class_map), decode(png), num_classes))


def known(counts: Counts) -> float | None:
    """Return the mIoU; None without one."""
    figure = counts.figures()["mIoU"]
    return figure if np.isfinite(figure) else None


def true_map(record: Record | None) -> dict[str, ClassMap]:
    if record is None or record.class_map is None:
        return {}
    return {"truth": decode(record.class_map)}


def draw(
    record: Record, figure: float | None, maps: Mapping[str, ClassMap], num_classes: int
) -> list[Tile]:
    """Draw an image beside its class maps; nothing if it cannot be read any more."""
    try:
        image = read_image(record.file, (record.height, record.width))
    except ImageError:
        return []
    colored = {title: blend(image, labels, num_classes) for title, labels in maps.items()}
    views = {title: data_uri(pixels) for title, pixels in ({"image": image} | colored).items()}
    return [Tile(name=UPath(record.file).name, figure=figure, views=views)]


def blend(image: RGB, labels: ClassMap, num_classes: int) -> RGB:
    """Lay colours over the grey image, [H, W, 3]; unknown pixels stay white."""
    colors = np.full((256, 3), 255, np.uint8)
    colors[:num_classes] = palette(num_classes)
    colors[UNKNOWN] = 255
    grey = image.mean(axis=2, keepdims=True)
    mixed: RGB = (OPACITY * colors[labels] + (1 - OPACITY) * grey).astype(np.uint8)
    return mixed


def data_uri(image: RGB) -> str:
    scale = TILE / max(image.shape[:2])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    way: Any = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    small = cv2.resize(np.ascontiguousarray(image[..., ::-1]), size, interpolation=way)
    done, jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    assert done
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode()
