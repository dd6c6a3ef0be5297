"""Compares ways to learn from images without labels when one class is rare, and prints a table.

    python -m benchmarks.self_training /tmp/rounds --seeds 0 1 2 [--rows dars dmt] [--set a.b=c ...]

The built-in semantic images with one class ten times rarer: 960 to learn from, 240 of them with
class maps, and 400 to measure on.  Trainings and labelling run in this process, one after the
other; rounds of one seed share their teacher.  The last checkpoint counts.  What was measured is
in `results.json` and is not measured again.
"""

import argparse
import json
import statistics
import sys
from collections import deque
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from upath import UPath

from ray_wssis.recipes.catalogue import artifacts, load_recipe
from ray_wssis.run import Run, carry_out
from ray_wssis.storage import read_json
from ray_wssis.training.config import TrainingConfig, TrainingWorkers
from ray_wssis.training.task import Task
from tests.support.in_process import stream_here, training_steps

SETTINGS = [
    "data.semantic_shapes={num_images: 960, num_validation_images: 400, size: 64, rare: 0.1}",
    "data.masks=240",
    "student.training.batch_size=8",
    "student.strong_images=4",
]
TEACHER = ["teacher.training.batch_size=8"]  # of a recipe that has one
ROWS = {  # a configuration, and what changes in it
    "masks only": ("dars_shapes", []),
    "threshold": ("dars_shapes", ["policy={name: threshold, confidence: 0.9}"]),
    "cbst": ("dars_shapes", ["policy={name: cbst, shares: [0.4, 0.5]}"]),
    "dars": ("dars_shapes", []),
    "dmt": ("dmt_shapes", []),
    "cps": ("cps_shapes", []),
    "unimatch": ("unimatch_shapes", []),
}
MEASURED = {"mIoU": "mIoU", "rare class": "IoU/blue square"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path, help="a folder")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--set", action="append", default=[], help="as for wssis run")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    file = options.out / "results.json"
    found: dict[str, dict[str, Any]] = json.loads(file.read_text()) if file.exists() else {}
    for seed in options.seeds:
        for row in options.rows:
            if str(seed) not in found.setdefault(row, {}):
                found[row][str(seed)] = measure(options, row, seed)
                file.write_text(json.dumps(found, indent=2))
                print(row, seed, found[row][str(seed)], file=sys.stderr, flush=True)
    for row in options.rows:
        print_row(row, [found[row][str(seed)] for seed in options.seeds])


def measure(options: argparse.Namespace, row: str, seed: int) -> dict[str, float]:
    """Carry out one run and return the figures of its network on the validation images."""
    name, changes = ROWS[row]
    folder = options.out / f"seed{seed}"
    teacher, model = folder / "masks_only", "student"
    changes = [f"seed={seed}", *SETTINGS, *changes, *options.set]
    if name in ("dars_shapes", "dmt_shapes"):
        changes = [*TEACHER, *changes]
    if row == "masks only":
        changes += ["rounds=1", "student.training.steps=1", "student.training.warmup_steps=0"]
        model = "teacher"
    elif name == "dars_shapes":
        changes.append(f"teacher.ready={teacher / 'teacher/model'}")
    config = load_recipe(name, changes)
    out = folder / row.replace(" ", "_")
    with (
        patch("ray_wssis.training.run.train", train),
        patch("ray_wssis.streaming.stream.stream", stream_here),
    ):
        carry_out(artifacts(Run(config, out), config))
    figures = read_json(UPath(out / "metrics.json"))
    return {title: figures[f"{model}/val/{key}"] for title, key in MEASURED.items()}


def train(
    task: Task, config: TrainingConfig, seed: int, workers: TrainingWorkers, folder: UPath
) -> None:
    """Train in this process, without checkpoints."""
    ((_, learner, _),) = deque(training_steps(task, config, seed), maxlen=1)
    task.save(learner, folder / "model")


def print_row(name: str, values: list[dict[str, float]]) -> None:
    cells = []
    for title in MEASURED:
        of_seeds = [value[title] for value in values]
        spread = f" ± {statistics.stdev(of_seeds):.1f}" if len(values) > 1 else ""
        each = " ".join(f"{value:.1f}" for value in of_seeds)
        cells.append(f"{each} | {statistics.mean(of_seeds):.1f}{spread}")
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
