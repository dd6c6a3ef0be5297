"""Makes runs with masks, points and images without any label, and prints what came out as a table.

    python -m benchmarks.unlabelled OUT --seeds 0 1 2 [--set a.b=c ...]

The first two share the images, the teacher and the refiner of a seed; the last one, with a point on
every object of every image, trains its own.
"""

import argparse
import json
import shutil
from pathlib import Path

from benchmarks.rounds import sets, wssis

CONFIG = "unlabelled_shapes"
OF_ROUND = ("labels", "audit", "proposals", "student", "verdict")
SHARED = ("split", "teacher", "rough_masks", "refiner", *(f"round_1_{name}" for name in OF_ROUND))
WAYS = {
    "masks and points": ["proposals.use=never"],
    "and proposals": ["proposals.use=judged"],
    "points on all images": ["data.unlabelled_percent=0"],
}
HEAD = ("seed", "", "used", "learnt", "precision", "recall", "missed", "mIoU", "AP", "AP50")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path, help="an empty folder")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    parser.add_argument("--set", action="append", default=[], help="as for wssis run")
    options = parser.parse_args()
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    for seed in options.seeds:
        first = options.out / f"seed{seed}" / options.ways[0]
        for way in options.ways:
            folder = options.out / f"seed{seed}" / way
            if folder != first and "data.unlabelled_percent=0" not in WAYS[way]:
                folder.mkdir(parents=True, exist_ok=True)
                for stage in SHARED:
                    shutil.copytree(first / stage, folder / stage, dirs_exist_ok=True)
            changes = [f"seed={seed}", *options.set, *WAYS[way]]
            wssis("run", "--redo", "--config", CONFIG, "--out", str(folder), *sets(changes))
            print(row(seed, way, folder), flush=True)


def row(seed: int, way: str, folder: Path) -> str:
    figures = json.loads((folder / "metrics.json").read_text())
    file = folder / "proposals_audit/proposals.json"
    chosen = json.loads(file.read_text()) if file.exists() else {}
    used = chosen.get("are_used", False)
    learnt = sum(own["num_learnt"] for own in chosen.get("classes", []))
    names = [f"proposed/{name}" for name in ("precision", "recall", "missed", "mIoU")]
    values = [figures.get(name) if used else None for name in names]
    values += [figures["student/val/AP"], figures["student/val/AP50"]]
    shown = ["–" if value is None else f"{value:.1f}" for value in values]
    cells = [str(seed), way, "yes" if used else "no", str(learnt) if used else "–", *shown]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
