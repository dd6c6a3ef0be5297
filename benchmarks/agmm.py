"""Trains on clicks of the built-in semantic images, one loss at a time, and prints tables.

    python -m benchmarks.agmm /tmp/agmm --seeds 0 1 2 [--rows partial agmm full] [--set a.b=c ...]

Every row but partial and full has the absent-class loss; scribbles are a stroke for each
class.  The data and the schedule are those of `agmm_shapes`, or of --config; every network trains
in this process, on one core, and is measured as a run measures it.  What is done is in
OUT/results.json and is not done again, so the command can be continued.
"""

import argparse
import json
import statistics
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import torch

from ray_wssis.methods.agmm.config import Terms
from ray_wssis.methods.agmm.task import SparseTask
from ray_wssis.recipes.agmm_config import AGMMConfig
from ray_wssis.recipes.catalogue import load_recipe
from ray_wssis.run import Run
from ray_wssis.semantic.split import SPARSE, VALIDATION, WEAK_TRUTH, split
from tests.support.in_process import training_steps

OFF = [f"agmm.terms.{name}=0" for name in Terms.model_fields if name != "partial"]
ABSENT = [*OFF, "agmm.terms.absent=1"]
SOFT = "agmm.terms.soft=0.3"
SCRIBBLES = "data.sparse={kind: scribbles, per_class: 1, width: 3}"
ROWS = {
    "partial": OFF,
    "absent": ABSENT,
    **{name: [*ABSENT, f"agmm.terms.{name}=1"] for name in ("self", "label", "separation")},
    "agmm": [],
    "agmm, adaptive": ["agmm.sigma=adaptive"],
    "soft": [*ABSENT, SOFT],
    "agmm and soft": [SOFT],
    "scribbles, partial": [*OFF, SCRIBBLES],
    "scribbles, agmm": [SCRIBBLES],
    "scribbles, soft": [*ABSENT, SOFT, SCRIBBLES],
    "full": OFF,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path, help="a folder")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--config", default="agmm_shapes", help="as for wssis run")
    parser.add_argument("--set", action="append", default=[], help="as for wssis run")
    options = parser.parse_args()
    torch.set_num_threads(1)
    file = options.out / "results.json"
    found: dict[str, dict[str, float]] = json.loads(file.read_text()) if file.exists() else {}
    for row in options.rows:
        for seed in options.seeds:
            if str(seed) not in found.setdefault(row, {}):
                found[row][str(seed)] = measure(options, row, seed)
                file.write_text(json.dumps(found, indent=2))
        print_row(row, [found[row][str(seed)] for seed in options.seeds])


def measure(options: argparse.Namespace, row: str, seed: int) -> float:
    """Train one network and return its mIoU on the validation images, in percent."""
    config = load_recipe(options.config, [f"seed={seed}", *options.set, *ROWS[row]])
    assert isinstance(config, AGMMConfig)
    assert config.data.sparse is not None
    folder = options.out / f"seed{seed}_{config.data.sparse.kind}"
    data = split(Run(config, folder), config.data)
    stage = config.agmm
    images = data.part(WEAK_TRUTH if row == "full" else SPARSE)
    task = SparseTask.of(row, stage, images, data.part(VALIDATION))
    torch.set_flush_denormal(True)
    ((_, learner, _),) = deque(training_steps(task, stage.training, seed), maxlen=1)
    return task.validate(learner)["val/mIoU"]


def print_row(name: str, values: Sequence[float]) -> None:
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    each = " | ".join(f"{value:.1f}" for value in values)
    print(f"| {name} | {each} | {statistics.mean(values):.1f}{spread} |", flush=True)


if __name__ == "__main__":
    main()
