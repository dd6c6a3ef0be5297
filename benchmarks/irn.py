"""Runs IRNet on the built-in semantic images and prints what came out as a table.

    python benchmarks/irn.py /tmp/irn --seeds 0 1 2 [--set a.b=c ...]

Each seed runs once, with the bound, a student that learns from all true masks.  Figures of the
instances are of the images to learn from, beside their hidden masks; so are those of class maps,
mIoU before and after the walk.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.demo import measured

WSSIS = [sys.executable, "-m", "ray_wssis.cli", "run", "--config", "irn_shapes"]
OF_INSTANCES = ("AP", "AP50", "mIoU", "precision", "recall", "merged", "split")
OF_MODELS = ("student/val/AP", "student/val/AP50", "upper_bound/val/AP", "upper_bound/val/AP50")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path, help="an empty folder")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", action="append", default=[], help="as for wssis run")
    options = parser.parse_args()
    models = [name.replace("/val/", " ").replace("upper_bound", "bound") for name in OF_MODELS]
    head = ["seed", "minutes", "maps", "walked", *OF_INSTANCES, *models]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}", flush=True)
    for seed in options.seeds:
        folder = options.out / f"seed{seed}"
        changes = [f"seed={seed}", "upper_bound=true", *options.set]
        words = [word for change in changes for word in ("--set", change)]
        minutes, _ = measured([*WSSIS, "--out", str(folder), *words])
        print(row(seed, minutes, folder), flush=True)


def row(seed: int, minutes: float, folder: Path) -> str:
    def read(name: str) -> dict[str, Any]:
        values: dict[str, Any] = json.loads((folder / name).read_text())
        return values

    instances, models = read("instances_audit/instances.json")["hidden"], read("metrics.json")
    figures = [instances[name] for name in ("earlier_mIoU", "class_maps_mIoU", *OF_INSTANCES)]
    figures += [models[name] for name in OF_MODELS]
    shown = ["" if value is None else f"{value:.1f}" for value in figures]
    return f"| {' | '.join([str(seed), f'{minutes:.1f}', *shown])} |"


if __name__ == "__main__":
    main()
