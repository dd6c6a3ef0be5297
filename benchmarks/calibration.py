"""Measures how well a handful of audit images calibrates the expected IoU of all the others.

    python -m benchmarks.calibration runs/demo --images 12

Takes the labels of a finished run whose hidden masks are known.  Some weak images, drawn at random,
stand in for audit images and calibrate; the rest are judged.  The error is the expected calibration
error over ten groups of equal count.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from upath import UPath

from ray_wssis.data.records import Record, Records
from ray_wssis.instance.audit_figures import Audit
from ray_wssis.instance.quality import QualityModel
from ray_wssis.instance.split import TAUGHT, WEAK_TRUTH
from ray_wssis.methods.point_wssis.labeller import PointLabeller
from ray_wssis.metrics.calibration import calibration_error, reliability_bins
from ray_wssis.streaming.table import read_rows

WORST = 0.1  # share of the masks that is dropped


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Figures of the masks that were judged."""

    num_objects: int  # those that calibrated
    error: float
    miou: float  # 0..1
    miou_without_worst: float


def main() -> None:
    options = read_options()
    draws = list(calibrate(UPath(options.run), options.images, options.draws))
    print(
        "| run | audit images | objects | error | above 0.05 | mIoU, % | without the worst 10 % |"
    )
    print("|---|---|---|---|---|---|---|")
    errors = np.array([draw.error for draw in draws])
    objects = np.mean([draw.num_objects for draw in draws])
    before, after = (
        100 * np.mean([getattr(draw, name) for draw in draws])
        for name in ("miou", "miou_without_worst")
    )
    print(
        f"| {options.run} | {options.images} | {objects:.0f} "
        f"| {errors.mean():.3f} ± {errors.std():.3f} | {(errors > 0.05).mean():.0%} of the draws "
        f"| {before:.1f} | {after:.1f} |"
    )


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="folder of a finished run")
    parser.add_argument("--images", type=int, default=8, help="number that calibrate")
    parser.add_argument("--draws", type=int, default=100, help="random choices of images")
    return parser.parse_args()


def calibrate(run: UPath, num_images: int, num_draws: int) -> Iterator[Draw]:
    columns = ["image_id", "annotation_id", "rough", "refined", "label", *PointLabeller.signals]
    rows = [row for row in read_rows(run / "labels/rows", columns, source="weak") if row["label"]]
    truth = {record.image_id: record for record in Records.read(run / "split" / WEAK_TRUTH)}
    taught = Records.read(run / "split" / TAUGHT)
    for seed in range(num_draws):
        order = np.random.default_rng(seed).permutation(len(rows)).tolist()
        chosen, rest = (
            [rows[i] for i in part] for part in (order[:num_images], order[num_images:])
        )
        yield judge(
            QualityModel.fit(chosen, truth, taught, PointLabeller.signals),
            rest,
            truth,
            count(chosen),
        )


def judge(
    model: QualityModel, rows: list[dict[str, Any]], truth: dict[int, Record], num_objects: int
) -> Draw:
    audit = Audit.of(rows, truth)
    expected = model.expected_ious(rows)[audit.is_judged]
    true = audit.ious(model.masks)[audit.is_judged]
    kept = np.argsort(expected, kind="stable")[int(WORST * len(expected)) :]
    return Draw(
        num_objects=num_objects,
        error=calibration_error(reliability_bins(expected, true)) or 0.0,
        miou=float(true.mean()),
        miou_without_worst=float(true[kept].mean()),
    )


def count(rows: list[dict[str, Any]]) -> int:
    return sum(len(row["label"]) for row in rows)


if __name__ == "__main__":
    main()
