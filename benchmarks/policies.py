"""Compares students whose poor pseudo masks are learnt from, ignored, or taken for background.

    python -m benchmarks.policies runs/demo /tmp/policies --seeds 0 1 2 [--steps 300]

Merges the labels of a finished run with each value of `merge.below`, and trains a student on
each, with every seed.  AP is on the validation images.
"""

import argparse
import statistics
from fractions import Fraction

from upath import UPath

from benchmarks.timing import table
from ray_wssis.artifacts import read_artifact
from ray_wssis.config import load_config
from ray_wssis.data.split.files import split_name
from ray_wssis.instance.label_config import MergeConfig
from ray_wssis.instance.merge import MERGED, merge
from ray_wssis.instance.split import VALIDATION
from ray_wssis.instance.task import SegmenterTask
from ray_wssis.recipes.point_wssis import started
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.run import RESOLVED, Run
from ray_wssis.session import configure
from ray_wssis.storage import locate
from ray_wssis.training.metrics_log import read_metrics
from ray_wssis.training.run import train

POLICIES = {
    "keep": "learnt from",
    "auto": "ignore regions where that is sure",
    "ignore": "ignore regions",
    "drop": "background",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", help="folder of a finished run")
    parser.add_argument("out", help="a folder to work in")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help="of each student; as in the run unless given")
    options = parser.parse_args()
    configure()
    folder, out = locate(options.run), locate(options.out)
    config = load_config(PointWSSISConfig, folder / RESOLVED)
    stage = started(config.student, read_artifact(folder / "teacher"))
    if options.steps:
        share = Fraction(options.steps, stage.training.steps)
        stage = stage.model_copy(update={"training": stage.training.stretched(share)})
    config = config.model_copy(update={"student": stage})
    found: dict[str, list[float]] = {policy: [] for policy in POLICIES}
    for seed in options.seeds:
        for policy in POLICIES:
            found[policy].append(student(folder, config, policy, seed, out))
            print(policy, seed, found[policy][-1], flush=True)
    rows = [
        [POLICIES[policy], *(f"{ap:.1f}" for ap in aps), f"**{statistics.mean(aps):.1f}**"]
        for policy, aps in found.items()
    ]
    print(table(["poor masks are", *(f"seed {seed}" for seed in options.seeds), "mean AP"], rows))


def student(folder: UPath, config: PointWSSISConfig, policy: str, seed: int, out: UPath) -> float:
    """Train a student; return its final validation AP."""
    data, labels, audit = (read_artifact(folder / name) for name in ("split", "labels", "audit"))
    merged = merge(
        Run(config, out / policy),
        data,
        labels,
        audit,
        {},
        split_name(config.data.name, config.data.percent),
        MergeConfig.model_validate({"below": policy}),
    )
    task = SegmenterTask.of("student", config.student, merged.part(MERGED), data.part(VALIDATION))
    place = out / f"{policy}_{seed}"
    place.mkdir(parents=True, exist_ok=True)
    train(task, config.student.training, seed, config.training_workers, place)
    return next(line["val/AP"] for line in reversed(read_metrics(place)) if "val/AP" in line)


if __name__ == "__main__":
    main()
