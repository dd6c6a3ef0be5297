"""Runs LPL on the built-in semantic images and prints what came out as a table.

    python benchmarks/lpl.py /tmp/lpl --seeds 0 1 2 [--tag-noise 0.1] [--set a.b=c ...]

Each seed runs twice: as a newcomer runs it (timed, with the peak memory of the whole machine over
what was in use before), and once more for the baseline, which learns from the strong images alone,
and the bound, which knows all class maps.
"""

import argparse
import json
import sys
from pathlib import Path

from benchmarks.demo import measured

WSSIS = [sys.executable, "-m", "ray_wssis.cli", "run", "--config", "lpl_shapes"]
FIGURES = {
    "masks only": "baseline/val/mIoU",
    "masks only, tags": "baseline/val/mIoU@tags",
    "hybrid": "hybrid/val/mIoU",
    "hybrid, tags": "hybrid/val/mIoU@tags",
    "labels": "pseudo/mIoU",
    "student": "student/val/mIoU",
    "student, tags": "student/val/mIoU@tags",
    "bound": "upper_bound/val/mIoU",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path, help="an empty folder")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--tag-noise", type=float, default=0.0)
    parser.add_argument("--set", action="append", default=[], help="as for wssis run")
    options = parser.parse_args()
    head = ["seed", "minutes", "peak GiB", *FIGURES, "student / bound"]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for seed in options.seeds:
        folder = options.out / f"seed{seed}"
        changes = [f"seed={seed}", f"data.tag_noise={options.tag_noise}", *options.set]
        command = [*WSSIS, "--out", str(folder)]
        command += [word for change in changes for word in ("--set", change)]
        minutes, peak = measured(command)
        measured([*command, "--set", "baseline=true", "--set", "upper_bound=true", "--redo"])
        print(row(seed, minutes, peak, json.loads((folder / "metrics.json").read_text())))


def row(seed: int, minutes: float, peak: float, figures: dict[str, float]) -> str:
    values = [str(seed), f"{minutes:.1f}", f"{peak:.1f}"]
    values += [f"{figures[name]:.1f}" for name in FIGURES.values()]
    share = figures["student/val/mIoU"] / figures["upper_bound/val/mIoU"]
    return f"| {' | '.join([*values, f'{100 * share:.0f} %'])} |"


if __name__ == "__main__":
    main()
