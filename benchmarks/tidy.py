"""Measures what tidying does to the masks of a finished run whose hidden masks are known.

    python -m benchmarks.tidy runs/demo

Nothing is drawn again: specks and overlaps are taken from the masks in its labels, and flags of
masks that resemble others are compared with the truth.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from benchmarks.timing import table
from ray_wssis.data.records import Records
from ray_wssis.instance.label_row import areas_of, find_alike
from ray_wssis.instance.tidy import tidied
from ray_wssis.instance.tidy_config import TidyConfig
from ray_wssis.masks import iou
from ray_wssis.run import ROWS
from ray_wssis.storage import locate
from ray_wssis.streaming.labeller import Row
from ray_wssis.streaming.table import read_rows

WAYS = {
    "as drawn": TidyConfig(),
    **{f"specks {share:g}": TidyConfig(specks=share) for share in (0.01, 0.02, 0.05, 0.1)},
    "exclusive": TidyConfig(exclusive=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", help="folder of a finished run")
    run = locate(parser.parse_args().run)
    truth = {record.image_id: record for record in Records.read(run / "split/weak_truth.parquet")}
    known = {obj.annotation_id: obj.mask for record in truth.values() for obj in record.objects}
    rows = [row for row in read_rows(run / "labels" / ROWS, source="weak") if not row["error"]]
    print(
        table(
            ["", "mIoU", "masks changed", "bytes", "s"],
            [line(*way, rows, known) for way in WAYS.items()],
        )
    )
    print(table(["flag", "masks", "mIoU"], flagged(rows, known)))


def line(
    name: str, config: TidyConfig, rows: Sequence[Row], known: dict[int, bytes | None]
) -> list[str]:
    began, ious, changed, size = time.perf_counter(), [], 0, 0
    for row in rows:
        found = tidied(row["refined"], config, row["height"], row["width"])
        changed += sum(a != b for a, b in zip(found, row["refined"], strict=True))
        size += sum(len(mask or b"") for mask in found)
        ious += ious_of(row, found, known)
    took = time.perf_counter() - began
    return [
        name,
        f"{100 * np.mean(ious):.2f}",
        f"{changed} of {len(ious)}",
        f"{size}",
        f"{took:.2f}",
    ]


def flagged(rows: Sequence[Row], known: dict[int, bytes | None]) -> list[list[str]]:
    """Compare the masks of each flag with the truth; those without a mask are left out."""
    found: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        size = row["height"], row["width"]
        masks = row["refined"]
        alike = find_alike(masks, areas_of(masks, size), row["label"], size)
        for place, value in enumerate(ious_of(row, masks, known)):
            if masks[place] is not None:
                found[alike.get(place, "none")].append(value)
    return [[flag, f"{len(own)}", f"{100 * np.mean(own):.1f}"] for flag, own in found.items()]


def ious_of(row: Row, masks: Sequence[bytes | None], known: dict[int, bytes | None]) -> list[float]:
    size = row["height"], row["width"]
    pairs = [
        (mask, known[number]) for mask, number in zip(masks, row["annotation_id"], strict=True)
    ]
    return [0.0 if a is None or b is None else iou(a, b, *size) for a, b in pairs]


if __name__ == "__main__":
    main()
