"""Proposes objects on the validation images of runs that are finished, and prints what is chosen.

    python -m benchmarks.proposals RUN ... [--by teacher round_1_student] [--precision 0.7]

Thresholds are chosen on the audit images of a run, as for images without any label; its validation
images, whose truth is known, tell whether the audit was right.  Networks must not have learnt from
audit images, so the student of the last round cannot be measured.
"""

import argparse
import tempfile
from pathlib import Path

import torch
from upath import UPath

from ray_wssis.artifacts import Part, read_artifact
from ray_wssis.data.points.kind import PointKind
from ray_wssis.data.records import Records
from ray_wssis.instance.label_config import ProposalsConfig
from ray_wssis.instance.proposals.compare import outcome
from ray_wssis.instance.proposals.stages import fit, is_worth_it
from ray_wssis.instance.split import AUDIT, TAUGHT, VALIDATION
from ray_wssis.methods.point_wssis.proposer import Proposer
from ray_wssis.streaming.config import LabellingWorkers
from ray_wssis.streaming.stream import Pass
from ray_wssis.streaming.table import read_rows
from tests.support.in_process import stream_here

COUNTS = ("objects", "right", "wrong", "ignored", "missed")
HEAD = ("run", "proposed by", "images", *COUNTS, "mIoU of the right ones", "used")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--by", nargs="+", default=["teacher", "round_1_student"])
    parser.add_argument("--precision", type=float, default=ProposalsConfig().precision)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    for run in options.runs:
        for network in options.by:
            for line in measure(UPath(run), network, options.precision):
                print(f"| {run.name} | {network} | {line} |", flush=True)


def measure(run: UPath, network: str, precision: float) -> list[str]:
    """Return a line about the audit images, and one about the validation images."""
    teacher, refiner = (model_of(run / stage) for stage in (network, "refiner"))
    by = Proposer.of(teacher, refiner, PointKind.CENTROID)
    parts = [run / "split" / part for part in (AUDIT, VALIDATION)]
    with tempfile.TemporaryDirectory() as folder:
        out = UPath(folder)
        stream_here(Pass(name=network, records=parts, labeller=by, out=out), LabellingWorkers())
        rows = [read_rows(out, source=part.stem) for part in parts]
    truths = [{record.image_id: record for record in Records.read(part)} for part in parts]
    taught = Records.read(run / "split" / TAUGHT)
    config = ProposalsConfig(precision=precision)
    choice = fit(rows[0], truths[0], taught, by.signals, config)
    found = [outcome(own, truth, choice) for own, truth in zip(rows, truths, strict=True)]
    used = ["yes" if is_worth_it(found[0]) else "no", ""]
    return [line_of(*line) for line in zip(("audit", "validation"), found, used, strict=True)]


def model_of(stage: UPath) -> Part:
    return read_artifact(stage).part("model")


def line_of(images: str, found: dict[str, float], used: str) -> str:
    counts = [str(found[f"num_{name}"]) for name in COUNTS]
    miou = "–" if found["mIoU"] is None else f"{found['mIoU']:.1f}"
    return " | ".join([f"{found['num_images']} {images}", *counts, miou, used])


if __name__ == "__main__":
    main()
