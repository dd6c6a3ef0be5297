"""Sparse class maps drawn from full ones, for experiments: `UNKNOWN` where nobody annotated.

The seed, the name of the file and the class decide what is drawn, so neither other images nor other
classes change it.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from ray_wssis.data.class_maps.png import UNKNOWN, ClassMap, decode, encode, present
from ray_wssis.data.points import chance
from ray_wssis.data.records import Record, Records
from ray_wssis.data.sparse.brush import brushed, thin
from ray_wssis.data.sparse.kind import SparseKind
from ray_wssis.data.sparse.strokes import Region, draw_clicks, draw_points, draw_strokes


@dataclass(frozen=True, kw_only=True)
class Pen:
    """Rule by which sparse labels are drawn for each class that an image shows."""

    kind: SparseKind
    per_class: int  # points, clicks or strokes
    width: int  # pixels, of a stroke
    radius: int  # pixels around a point or click that count too
    seed: int


def with_sparse_maps(records: Records, pen: Pen) -> Records:
    """Replace the class maps of images by sparse ones; images without a map stay as they are."""

    def drawn(record: Record) -> Record:
        if record.class_map is None:
            return record
        name = record.file.rpartition("/")[2]
        sparse = sparse_map(decode(record.class_map), pen, name)
        return replace(record, class_map=encode(sparse), tags=present(sparse))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return Records.from_rows(pool.map(drawn, records), records.categories)


def sparse_map(class_map: ClassMap, pen: Pen, name: str) -> ClassMap:
    """Draw on each class of a map [H, W] and forget the other pixels; `name` is of the image."""
    sparse = np.full_like(class_map, UNKNOWN)
    for label in present(class_map):
        region = class_map == label
        sparse[_annotated(region, pen, name, label)] = label
    return sparse


def _annotated(region: Region, pen: Pen, name: str, label: int) -> Region:
    """Return the pixels of a class that are annotated, [H, W]; never one outside of its region."""
    rng = np.random.default_rng(chance(pen.seed, f"{pen.kind} {label}", name))
    radius = float(pen.radius)
    match pen.kind:
        case SparseKind.POINTS:
            paths = draw_points(region, pen.per_class, rng)
        case SparseKind.CLICKS:
            paths = draw_clicks(region, pen.per_class, rng)
        case SparseKind.SCRIBBLES:
            radius = pen.width / 2
            paths = draw_strokes(region, pen.per_class, radius, rng)
    return brushed(thin(paths, (region.shape[0], region.shape[1])), radius) & region
