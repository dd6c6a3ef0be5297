"""What a student makes of poor pseudo masks: learnt from, ignored, or taken for background.

    python -m benchmarks.policies runs/demo /tmp/policies --seeds 0 1 2

Merges the labels of a finished run three times, with each value of `quality.below`, and trains a
student on each, with every seed.  AP is on the validation pictures.
"""

import argparse
import statistics

from upath import UPath

from benchmarks.timing import table
from ray_wssis.config import load_config
from ray_wssis.data.split_files import split_name
from ray_wssis.instance.merge import MERGED, merge
from ray_wssis.instance.quality import QualityConfig
from ray_wssis.instance.split import VALIDATION
from ray_wssis.instance.task import SegmenterTask
from ray_wssis.recipes.point_wssis import RESOLVED, PointWSSIS, PointWSSISConfig
from ray_wssis.session import configure
from ray_wssis.storage import locate
from ray_wssis.training.metrics_log import read_metrics
from ray_wssis.training.run import train

POLICIES = {"keep": "learnt from", "ignore": "ignore regions", "drop": "background"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", help="folder of a finished run")
    parser.add_argument("out", help="a folder to work in")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    configure()
    folder, out = locate(options.run), locate(options.out)
    run = PointWSSIS(load_config(PointWSSISConfig, folder / RESOLVED), folder)
    found: dict[str, list[float]] = {policy: [] for policy in POLICIES}
    for seed in options.seeds:
        for policy in POLICIES:
            found[policy].append(student(run, policy, seed, out))
            print(policy, seed, found[policy][-1], flush=True)
    rows = [
        [POLICIES[policy], *(f"{ap:.1f}" for ap in aps), f"**{statistics.mean(aps):.1f}**"]
        for policy, aps in found.items()
    ]
    print(table(["poor masks are", *(f"seed {seed}" for seed in options.seeds), "mean AP"], rows))


def student(run: PointWSSIS, policy: str, seed: int, out: UPath) -> float:
    """Validation AP at the end of its training."""
    config, data = run.config, run.config.data
    merged = merge(
        run.data,
        run.labels,
        run.audit,
        QualityConfig.model_validate({"threshold": config.quality.threshold, "below": policy}),
        data.corrections,
        {},
        split_name(data.name, data.percent),
        out / policy,
        redo=False,
    )
    task = SegmenterTask(
        name="student",
        config=config.student.model,
        augment=config.student.augment,
        pictures=str(merged / MERGED),
        validation=str(run.data / VALIDATION),
        max_validation_pictures=config.student.training.max_validation_pictures,
    )
    place = out / f"{policy}_{seed}"
    place.mkdir(parents=True, exist_ok=True)
    train(task, config.student.training, seed, config.training_workers, place)
    return next(line["val/AP"] for line in reversed(read_metrics(place)) if "val/AP" in line)


if __name__ == "__main__":
    main()
