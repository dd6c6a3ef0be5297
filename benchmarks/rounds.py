"""Makes PointWSSIS in one and in two rounds, and prints what came out as a table.

    python -m benchmarks.rounds OUT --seeds 0 1 2 [--config shapes] [--set a.b=c ...]

All ways share the teacher and the refiner of a seed.  Students of two rounds take as many steps as
the one of one round, or half as many each; one round with twice the steps stands beside them.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

WSSIS = [sys.executable, "-m", "ray_wssis.cli"]
SHARED = ("split", "teacher", "rough_masks", "refiner")
WAYS = {  # rounds, steps of each student beside the configured ones
    "one round": (1, 1.0),
    "one round, twice the steps": (1, 2.0),
    "two rounds, half the steps each": (2, 0.5),
    "two rounds": (2, 1.0),
}
HEAD = ("seed", "", "rough mIoU", "refined mIoU", "AP, round 1", "AP of the student")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path, help="an empty folder")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--config", default="shapes")
    parser.add_argument("--set", action="append", default=[], help="as for wssis run")
    options = parser.parse_args()
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    for seed in options.seeds:
        changes = [f"seed={seed}", *options.set]
        steps = configured_steps(options.config, changes)
        first = options.out / f"seed{seed}" / next(iter(WAYS))
        for way, (rounds, share) in WAYS.items():
            folder = options.out / f"seed{seed}" / way
            if folder != first:
                folder.mkdir(parents=True, exist_ok=True)
                for stage in SHARED:
                    shutil.copytree(first / stage, folder / stage, dirs_exist_ok=True)
            number = round(share * steps)
            own = [f"rounds={rounds}", f"student.training.steps={number}"]
            own += [f"student.training.validate_every={number}"]
            wssis("run", "--config", options.config, "--out", str(folder), *sets(changes + own))
            print(row(seed, way, json.loads((folder / "metrics.json").read_text())), flush=True)


def configured_steps(config: str, changes: list[str]) -> int:
    from ray_wssis.config import load_config
    from ray_wssis.recipes.point_wssis_config import PointWSSISConfig

    return load_config(PointWSSISConfig, config, changes).student.training.steps


def sets(changes: list[str]) -> list[str]:
    return [word for change in changes for word in ("--set", change)]


def wssis(*words: str) -> None:
    done = subprocess.run([*WSSIS, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"wssis {' '.join(words)} ended with {done.returncode}:\n{done.stderr}")


def row(seed: int, way: str, figures: dict[str, float]) -> str:
    names = ["pseudo/rough/mIoU", "pseudo/refined/mIoU", "round_1_student/val/AP", "student/val/AP"]
    values = [f"{figures[name]:.1f}" if name in figures else "–" for name in names]
    return f"| {' | '.join([str(seed), way, *values])} |"


if __name__ == "__main__":
    main()
