"""Runs the recipe of tags alone on the built-in semantic images and prints tables.

    python -m benchmarks.cam OUT --seeds 0 1 2                     # the chain, link by link
    python -m benchmarks.cam OUT --seeds 0 1 2 --regularisers      # what each changes in the maps

Every figure of labels is of the training images, whose class maps no stage sees; it is given at the
threshold of the configuration and, as "best", at the one that would have been best for these very
images.  The masks of the row "16 masks" are those that only audit in the other rows.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from upath import UPath

from ray_wssis.data.class_maps.png import decode
from ray_wssis.data.records import Records
from ray_wssis.methods.cam.curve import miou_at
from ray_wssis.methods.cam.policy import LEVELS, count_levels
from ray_wssis.semantic.truth import beside_truth
from ray_wssis.streaming.table import each_row

REGULARISERS = ("puzzle", "seam", "drs", "fickle", "icd", "group")
RAMPS = {"puzzle": ", ramp_steps: 250", "icd": ", warmup_steps: 100"}  # half and a fifth of all
THRESHOLD = 0.45  # of configs/cam_shapes.yaml
HEAD = ("seed", "CAM", "best", "+ PAMR", "best", "student", "16 masks", "all masks")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path, help="a folder; what is finished there is not done again")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--regularisers", action="store_true", help="compare them instead")
    parser.add_argument("--set", action="append", default=[], help="as for wssis run")
    options = parser.parse_args()
    if options.regularisers:
        return compare(options.out, options.seeds, options.set)
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    for seed in options.seeds:
        folder = options.out / f"seed{seed}"
        own = [f"seed={seed}", *options.set]
        run(folder, [*own, "baseline=true", "upper_bound=true"])
        plain = again(folder, "plain")
        run(plain, [*own, "labelling.refine=null"], until="labels")
        figures = json.loads((folder / "metrics.json").read_text())
        values = [*of_labels(plain), *of_labels(folder)]
        values += [figures[f"{name}/val/mIoU"] for name in ("student", "baseline", "upper_bound")]
        print(f"| {seed} | {' | '.join(f'{value:.1f}' for value in values)} |", flush=True)
    return None


def compare(out: Path, seeds: list[int], changes: list[str]) -> None:
    """Print the quality of the maps, before and after PAMR, for every regulariser."""
    head = ["regulariser", "seed", "CAM", "best", "+ PAMR", "best"]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for name in ("none", *REGULARISERS):
        for seed in seeds:
            folder, own = out / f"{name}{seed}", [f"seed={seed}", *changes]
            if name != "none":
                own.append(f"classifier.model.regulariser={{name: {name}{RAMPS.get(name, '')}}}")
            run(folder, own, until="labels")
            plain = again(folder, "plain")
            run(plain, [*own, "labelling.refine=null"], until="labels")
            values = [f"{value:.1f}" for value in (*of_labels(plain), *of_labels(folder))]
            print(f"| {name} | {seed} | {' | '.join(values)} |", flush=True)


def run(folder: Path, changes: list[str], until: str | None = None) -> None:
    command = [sys.executable, "-m", "ray_wssis.cli", "run", "--config", "cam_shapes", "--redo"]
    command += ["--out", str(folder), *([] if until is None else ["--until", until])]
    subprocess.run([*command, *(word for own in changes for word in ("--set", own))], check=True)


def again(folder: Path, name: str) -> Path:
    """Copy what was trained in a run, to label with other settings."""
    copy = folder.with_name(f"{folder.name}_{name}")
    for stage in ("split", "classifier"):
        shutil.copytree(folder / stage, copy / stage, dirs_exist_ok=True)
    return copy


def of_labels(folder: Path) -> tuple[float, float]:
    """Return the mIoU of the labels of a run, at its threshold and at the best one."""
    truth = Records.read(UPath(folder) / "split/weak_truth.parquet")
    number = len(truth.categories)
    counts = np.zeros((number, number, LEVELS), np.int64)
    columns = ["image_id", "class_map", "classes", "scores", "error"]
    for row, true, _ in beside_truth(
        each_row(UPath(folder) / "labels/rows", columns, source="weak"), truth
    ):
        counts += count_levels(true, decode(row["classes"]), decode(row["scores"]), number)
    found = [miou_at(counts, level, 0) for level in range(LEVELS)]
    return found[int(THRESHOLD * (LEVELS - 1))], max(found)


if __name__ == "__main__":
    main()
