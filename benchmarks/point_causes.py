"""Causes of points of weak images that have no mask, or lie outside of theirs.

    python -m benchmarks.point_causes runs/demo --images 100

Looks at the labels of a run whose hidden masks are known, and at those that its networks draw for
the same points today.  A point without a mask counts as IoU 0.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from upath import UPath

from benchmarks.timing import table
from ray_wssis.data.images.read import read_image
from ray_wssis.data.records import Record, Records
from ray_wssis.instance.label_numbers import WEAK
from ray_wssis.instance.segmenter import network_image
from ray_wssis.masks import contains, pairwise_iou
from ray_wssis.methods.point_wssis.drafts import PointNetworks
from ray_wssis.methods.point_wssis.labeller import finish_row
from ray_wssis.streaming.table import each_row

CAUSES = (
    "no mask: nothing drawn",
    "no mask: taken by another point, or lost in resizing",
    "outside: the true mask does not hold the point either",
    "outside: the refiner cut it off",
    "outside: the mask is a neighbour's",
    "outside: the mask lies beside it",
)
COLUMNS = ["image_id", "height", "width", "annotation_id", "x", "y", "maskness", "rough", "refined"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", help="folder of a run with labels")
    parser.add_argument("--images", type=int, help="how many weak images; all without")
    options = parser.parse_args()
    run = UPath(options.run)
    records = list(Records.read(run / "split/weak.parquet"))[: options.images]
    truth = {record.image_id: record for record in Records.read(run / "split/weak_truth.parquet")}
    chosen = {record.image_id for record in records}
    before = [
        row
        for row in each_row(run / "labels/rows", COLUMNS, source=WEAK)
        if row["image_id"] in chosen
    ]
    columns = [figures(before, truth), figures(label_again(run, records), truth)]
    names = columns[0].keys()
    print(f"{options.run}: {len(records)} weak images\n")
    print(
        table(
            ["", "labels of the run", "drawn today"], [[n, *(c[n] for c in columns)] for n in names]
        )
    )


def label_again(run: UPath, records: list[Record]) -> Iterable[dict[str, Any]]:
    networks = PointNetworks.load(str(run / "teacher/model"), str(run / "refiner/model"))
    for record in records:
        pixels = read_image(record.file, (record.height, record.width))
        small = network_image(pixels, networks.teacher.config)
        output = networks.teacher.forward([small])
        yield finish_row(networks.draft_of(output, 0, record, pixels, small.shape[:2]).to_row())


def figures(rows: Iterable[Mapping[str, Any]], truth: Mapping[int, Record]) -> dict[str, str]:
    counts, rough, refined = Counter[str](), list[float](), list[float]()
    for row in rows:
        known = {obj.annotation_id: obj.mask or b"" for obj in truth[row["image_id"]].objects}
        size, true = (row["height"], row["width"]), [known[i] for i in row["annotation_id"]]
        for i, mask in enumerate(row["refined"]):
            first = row["rough"][i]
            overlaps = [
                pairwise_iou([x], true, *size)[0] if x else np.zeros(len(true))
                for x in (first, mask)
            ]
            rough.append(overlaps[0][i])
            refined.append(overlaps[1][i])
            counts[cause(row, i, true, overlaps[0])] += 1
    means = {"rough mIoU": rough, "refined mIoU": refined}
    return (
        {"points": f"{len(rough):,}"}
        | {name: f"{100 * np.mean(ious):.1f}" for name, ious in means.items()}
        | {name: f"{counts[name]:,} ({100 * counts[name] / len(rough):.1f} %)" for name in CAUSES}
    )


def cause(row: Mapping[str, Any], i: int, true: list[bytes], overlaps: Any) -> str:
    """Say what became of point `i`: one of CAUSES, or nothing if its mask holds it."""
    size, point = (row["height"], row["width"]), (row["x"][i], row["y"][i])
    if row["refined"][i] is None:
        return CAUSES[0 if row["maskness"][i] == 0 else 1]
    if contains(row["refined"][i], *size, point):
        return ""
    if not contains(true[i], *size, point):
        return CAUSES[2]
    if contains(row["rough"][i], *size, point):
        return CAUSES[3]
    return CAUSES[4 if overlaps.argmax() != i and overlaps.max() > 0 else 5]


if __name__ == "__main__":
    main()
