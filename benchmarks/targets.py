"""Measures the assignment of objects to cells: all at once against loops.

    python -m benchmarks.targets --objects 100 --runs 20

Two comparisons for one batch of four images, student and teacher grids.  *Cells*: `assign_cells`
against the oracle of its tests, which asks every cell of every level for every object; masks are
in neither.  *Masks and cells*: from full-size masks to all that the losses need, against a loop
that finds the mass centre by weighing every pixel, asks only the 3 x 3 cells around it, shrinks
the mask anew for every level and keeps a copy of it for every positive cell.  Shrinking to a
quarter is in both of these.  The sides must agree before they are timed.
"""

import argparse
import math

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.scenes import GRIDS, RANGES, random_masks
from benchmarks.timing import interleaved, ratio, spread, table
from ray_wssis.instance.samples import quarter_size
from ray_wssis.models.solov2_targets import Instances, Targets, assign_cells
from tests.models.test_solov2_targets import cell_by_cell, held_by

NUM_IMAGES = 4
Masks = list[NDArray[np.uint8]]
Held = dict[tuple[int, int], int]  # (image, cell) -> instance


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--objects", type=int, default=100, help="in all images together")
    parser.add_argument(
        "--size", type=int, nargs=2, default=(800, 1344), help="canvas: height width"
    )
    parser.add_argument("--runs", type=int, default=20)
    options = parser.parse_args()
    canvas = (options.size[0], options.size[1])
    masks = random_masks(options.objects, *canvas, np.random.default_rng(0))
    rows = [row for kind in GRIDS for row in compare(kind, masks, canvas, options.runs)]
    print(
        f"{options.objects} objects in {NUM_IMAGES} images, canvas {canvas[1]} x {canvas[0]}, "
        f"{torch.get_num_threads()} threads, {options.runs} runs\n"
    )
    print(table(["grids", "what", "times faster", "all at once", "loop"], rows))


def compare(kind: str, masks: Masks, canvas: tuple[int, int], runs: int) -> list[list[str]]:
    grids, ranges = GRIDS[kind], RANGES[kind]
    instances = all_instances(masks)
    cells = held_by(assign_cells(instances, canvas, grids, ranges))
    assert cells == cell_by_cell(instances, canvas, grids, ranges)
    assert cells == object_by_object(masks, canvas, kind)[0]
    ways = {
        "cells": (
            lambda: assign_cells(instances, canvas, grids, ranges),
            lambda: cell_by_cell(instances, canvas, grids, ranges),
        ),
        "masks and cells": (
            lambda: masks_and_cells(masks, canvas, kind),
            lambda: object_by_object(masks, canvas, kind),
        ),
    }
    rows = []
    for what, (fast, slow) in ways.items():
        seconds = interleaved({"fast": fast, "slow": slow}, runs)
        times = f"**{ratio(seconds['slow'], seconds['fast'])}**"
        rows.append([kind, what, times, spread(seconds["fast"]), spread(seconds["slow"])])
    return rows


def image_of(n: int) -> int:
    return n % NUM_IMAGES


def masks_and_cells(masks: Masks, canvas: tuple[int, int], kind: str) -> Targets:
    return assign_cells(all_instances(masks), canvas, GRIDS[kind], RANGES[kind])


def all_instances(masks: Masks) -> Instances:
    objects = [small for mask in masks if (small := quarter_size(mask)) is not None]
    return Instances(
        image=torch.tensor([image_of(n) for n in range(len(objects))]),
        labels=torch.zeros(len(objects), dtype=torch.int64),
        centres=torch.tensor([centre for centre, _, _ in objects]),
        box_sizes=torch.tensor([size for _, size, _ in objects]),
        masks=torch.from_numpy(np.stack([small for _, _, small in objects])),
    )


def object_by_object(
    masks: Masks, canvas: tuple[int, int], kind: str
) -> tuple[Held, list[NDArray[np.uint8]]]:
    """Return the cells, and a quarter-size mask for each that was ever positive."""
    height, width = canvas
    ys, xs = (np.arange(side, dtype=np.float32) + 0.5 for side in canvas)
    held: Held = {}
    areas, copies = [], []
    for n, mask in enumerate(masks):
        weight = mask.astype(np.float32)
        y = float((weight * ys[:, None]).sum(dtype=np.float64) / weight.sum(dtype=np.float64))
        x = float((weight * xs).sum(dtype=np.float64) / weight.sum(dtype=np.float64))
        rows, columns = np.nonzero(mask)
        h, w = float(np.ptp(rows) + 1), float(np.ptp(columns) + 1)
        areas.append(h * w)
        offset = 0
        for side, (low, high) in zip(GRIDS[kind], RANGES[kind], strict=True):
            if low <= math.sqrt(h * w) < high:
                small = cv2.resize(mask, (width // 4, height // 4), interpolation=cv2.INTER_LINEAR)
                for row in near(y, 0.1 * h, height, side):
                    for column in near(x, 0.1 * w, width, side):
                        key = (image_of(n), offset + row * side + column)
                        if key not in held or areas[n] <= areas[held[key]]:
                            held[key] = n
                        copies.append(np.array(small, dtype=np.uint8))
            offset += side * side
    return held, copies


def near(centre: float, reach: float, canvas: int, side: int) -> range:
    """Return the cells next to the one of `centre` that `centre` +- `reach` touches."""
    here = min(int(centre / canvas * side), side - 1)
    first = max(here - 1, 0, math.floor((centre - reach) / canvas * side))
    last = min(here + 1, side - 1, math.floor((centre + reach) / canvas * side))
    return range(first, last + 1)


if __name__ == "__main__":
    main()
