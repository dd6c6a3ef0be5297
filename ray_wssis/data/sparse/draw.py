"""Sparse class maps drawn from full ones, for experiments: `UNKNOWN` where nobody annotated.

The seed, the name of the file and the class decide what is drawn, so neither other images nor other
classes change it.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from ray_wssis.data.class_maps.png import UNKNOWN, ClassMap, decode, encode, present
from ray_wssis.data.points.draw import chance
from ray_wssis.data.records import Record, Records
from ray_wssis.data.sparse.brush import brushed, thin
from ray_wssis.data.sparse.config import SparseConfig
from ray_wssis.data.sparse.kind import SparseKind
from ray_wssis.data.sparse.strokes import Region, draw_clicks, draw_points, draw_strokes


def with_sparse_maps(records: Records, config: SparseConfig, seed: int) -> Records:
    """Replace the class maps of images by sparse ones; images without a map stay as they are."""

    def drawn(record: Record) -> Record:
        if record.class_map is None:
            return record
        name = record.file.rpartition("/")[2]
        sparse = sparse_map(decode(record.class_map), config, seed, name)
        return replace(record, class_map=encode(sparse), tags=present(sparse))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return Records.from_rows(pool.map(drawn, records), records.categories)


def sparse_map(class_map: ClassMap, config: SparseConfig, seed: int, name: str) -> ClassMap:
    """Draw on each class of a map [H, W] and forget the other pixels; `name` is of the image."""
    sparse = np.full_like(class_map, UNKNOWN)
    for label in present(class_map):
        region = class_map == label
        rng = np.random.default_rng(chance(seed, f"{config.kind} {label}", name))
        sparse[_annotated(region, config, rng)] = label
    return sparse


def _annotated(region: Region, config: SparseConfig, rng: np.random.Generator) -> Region:
    """Return the pixels of a class that are annotated, [H, W]; never one outside of its region."""
    radius = config.radius
    match config.kind:
        case SparseKind.POINTS:
            paths = draw_points(region, config.per_class, rng)
        case SparseKind.CLICKS:
            paths = draw_clicks(region, config.per_class, rng)
        case SparseKind.SCRIBBLES:
            radius = config.width / 2
            paths = draw_strokes(region, config.per_class, radius, rng)
    return brushed(thin(paths, (region.shape[0], region.shape[1])), radius) & region
