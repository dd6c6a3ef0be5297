"""Compares ways to learn from images without labels when one class is rare, and prints a table.

    python -m benchmarks.self_training /tmp/rounds --seeds 0 1 2 [--rows dars dmt] [--set a.b=c ...]

The built-in semantic images with one class ten times rarer: 960 to learn from, 240 of them with
class maps, and 400 to measure on.  Trainings and labelling run in this process, one after the
other; rows of one seed share teacher and first labels.  The last checkpoint counts.  What was
measured is in `results.json` and is not measured again.
"""

import argparse
import json
import shutil
import statistics
import sys
from collections import deque
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from upath import UPath

from ray_wssis.data.class_maps.png import decode
from ray_wssis.data.images.read import read_image
from ray_wssis.data.records import Records
from ray_wssis.metrics.miou import Counts
from ray_wssis.recipes.catalogue import artifacts, load_recipe
from ray_wssis.run import Run, carry_out
from ray_wssis.semantic.segmenter import SemanticSegmenter, network_image
from ray_wssis.semantic.segmenter_config import Views
from ray_wssis.semantic.split import VALIDATION
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
    "mean teacher": ("mean_teacher_shapes", []),
}
SHARED = ("split", "teacher", "round_1_labels")  # stages that rows of a seed have in common
RARE = "blue square"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path, help="a folder")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--rounds", type=int, default=2, help="of threshold, cbst and dars")
    parser.add_argument("--set", action="append", default=[], help="as for wssis run")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    file = options.out / "results.json"
    found: dict[str, dict[str, Any]] = json.loads(file.read_text()) if file.exists() else {}
    for seed in options.seeds:
        for row in options.rows:
            name = called(row, options.rounds)
            if str(seed) not in found.setdefault(name, {}):
                found[name][str(seed)] = measure(options, row, seed)
                file.write_text(json.dumps(found, indent=2))
                print(name, seed, found[name][str(seed)], file=sys.stderr, flush=True)
    for row in options.rows:
        name = called(row, options.rounds)
        print_row(name, [found[name][str(seed)] for seed in options.seeds])


def called(row: str, rounds: int) -> str:
    """Name a row of the table."""
    in_rounds = row in ("threshold", "cbst", "dars")
    return f"{row}, {rounds} round{'s' if rounds > 1 else ''}" if in_rounds else row


def measure(options: argparse.Namespace, row: str, seed: int) -> dict[str, float]:
    """Carry out one run and measure its network on the validation images."""
    name, changes = ROWS[row]
    folder = options.out / f"seed{seed}"
    out, base = folder / row.replace(" ", "_"), folder / "masks_only"
    changes = [f"seed={seed}", *SETTINGS, *changes, *options.set]
    if name in ("dars_shapes", "dmt_shapes"):
        changes = [*TEACHER, *changes]
    until = "student"
    if name == "dars_shapes":
        until = f"round_{options.rounds}_student"
        changes.append(f"rounds={options.rounds}")
        for stage in SHARED if row != "masks only" else ():
            shutil.copytree(base / stage, out / stage, dirs_exist_ok=True)
    config = load_recipe(name, changes)
    with (
        patch("ray_wssis.training.run.train", train),
        patch("ray_wssis.streaming.stream.stream", stream_here),
    ):
        last = SHARED[-1] if row == "masks only" else until
        carry_out(artifacts(Run(config, out), config), last)
    stage = "teacher" if row == "masks only" else until
    return figures(out / stage / "model", out / "split" / VALIDATION)


def train(
    task: Task, config: TrainingConfig, seed: int, workers: TrainingWorkers, folder: UPath
) -> None:
    """Train in this process, without checkpoints."""
    ((_, learner, _),) = deque(training_steps(task, config, seed), maxlen=1)
    task.save(learner, folder / "model")


def figures(model: Path, validation: Path) -> dict[str, float]:
    """Measure the mIoU of a model, and the IoU of each class, in percent."""
    segmenter = SemanticSegmenter.load(UPath(model), torch.device("cpu"))
    truth = Records.read(UPath(validation))
    counts = Counts.none(len(truth.categories))
    for record in truth:
        size = record.height, record.width
        image = network_image(read_image(record.file, size), segmenter.config)
        (drawn,) = segmenter.draw([image], [size], [None], Views())
        assert record.class_map is not None
        counts += Counts.of(decode(record.class_map), drawn.class_map, len(truth.categories))
    return counts.figures([category.name for category in truth.categories])


def print_row(name: str, values: list[dict[str, float]]) -> None:
    cells = []
    for key in ("mIoU", f"IoU/{RARE}"):
        of_seeds = [value[key] for value in values]
        spread = f" ± {statistics.stdev(of_seeds):.1f}" if len(values) > 1 else ""
        each = " | ".join(f"{value:.1f}" for value in of_seeds)
        cells.append(f"{each} | {statistics.mean(of_seeds):.1f}{spread}")
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
