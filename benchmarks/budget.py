"""Compares what `wssis budget` predicts with what happens, on shapes.

    python -m benchmarks.budget /tmp/budget --seeds 0 1 2 [--share 1/2] [--only curve next]

For each seed, a run of a few masks and points is made and asked what more of them are worth; then
it is made again with more masks, and with more points.  Of its weak images, true masks are given
to those that it picks to be labelled next, and to as many drawn at random.  AP is the student's on
200 validation images, in percent.
"""

import argparse
import random
from collections.abc import Sequence
from fractions import Fraction

from upath import UPath

from benchmarks.timing import table
from ray_wssis.config import load_config
from ray_wssis.data.builtin.shapes import write_shapes
from ray_wssis.data.coco.file import load_json
from ray_wssis.data.coco.read import read_coco
from ray_wssis.data.coco.write import write_coco
from ray_wssis.data.points.kind import PointKind
from ray_wssis.data.records import Record, Records
from ray_wssis.data.split.cut import as_weak
from ray_wssis.instance.next_images import LABELS
from ray_wssis.instance.split_config import DataConfig
from ray_wssis.metrics.learning_curve import LearningCurve
from ray_wssis.models.model_folder import METRICS
from ray_wssis.recipes.labelling_budget.budget import AP, learning_curve, suggest
from ray_wssis.recipes.point_wssis import point_wssis
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.run import Run, carry_out
from ray_wssis.session import configure
from ray_wssis.storage import locate, read_json

NUM_STRONG, NUM_WEAK, NUM_VALIDATION = 12, 80, 200  # images of a run
POOL = 600  # images, the rest of which are given later
MORE_MASKS, MORE_POINTS = 40, 400
PICKED = 8  # images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", help="a folder to work in")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--share", type=Fraction, default=Fraction(1, 2), help="of all schedules")
    parser.add_argument("--curve-share", type=Fraction, default=Fraction(1, 3), help="of those")
    parser.add_argument("--only", nargs="+", default=["curve", "next"], choices=["curve", "next"])
    options = parser.parse_args()
    configure()
    benches = [
        Bench(locate(options.out) / f"seed_{seed}", seed, options.share) for seed in options.seeds
    ]
    if "curve" in options.only:
        rows = [row for bench in benches for row in bench.predictions(options.curve_share)]
        titles = ["seed", "more", "AP before", "predicted gain", "90 %", "measured gain"]
        print(table(titles, rows))
    if "next" in options.only:
        rows = [bench.choices() for bench in benches]
        print(table(["seed", "masks, picked and random", "AP before", "picked", "random"], rows))


class Bench:
    def __init__(self, out: UPath, seed: int, share: Fraction) -> None:
        self.out, self.seed, self.share = out, seed, share
        out.mkdir(parents=True, exist_ok=True)
        file = write_shapes(out / "shapes", POOL + NUM_VALIDATION, seed, size=128)
        records = list(read_coco(file, out / "shapes" / "images"))
        self.categories = read_coco(file, out / "shapes" / "images").categories
        self.validation = records[POOL:]
        self.strong, rest = records[:NUM_STRONG], records[NUM_STRONG:POOL]
        self.weak, self.pool = rest[:NUM_WEAK], rest[NUM_WEAK:]

    def predictions(self, share: Fraction) -> list[list[str]]:
        before = self.run("base", self.strong, self.weak)
        trained = learning_curve(self.out / "base", self.config("base"), share, repeats=1)
        curve = LearningCurve.fit(
            [each.num_masks for each in trained],
            [each.num_points for each in trained],
            [each.ap for each in trained],
        )
        masks, points = (first_with(self.pool, most) for most in (MORE_MASKS, MORE_POINTS))
        more = {
            "masks": (self.run("more_masks", [*self.strong, *masks], self.weak), masks),
            "points": (self.run("more_points", self.strong, [*self.weak, *points]), points),
        }
        rows = []
        for kind, (after, images) in more.items():
            number = count(images)
            gain = curve.gain(number, 0) if kind == "masks" else curve.gain(0, number)
            rows.append(
                [
                    str(self.seed),
                    f"{number} {kind}",
                    f"{before:.1f}",
                    f"{gain.ap:+.1f}",
                    f"{gain.low:+.1f} to {gain.high:+.1f}",
                    f"**{after - before:+.1f}**",
                ]
            )
        return rows

    def choices(self) -> list[str]:
        before = self.run("base", self.strong, self.weak)
        listed = load_json(suggest(self.out / "base", PICKED) / LABELS)["images"]
        names = {entry["file_name"] for entry in listed}
        picked = [record for record in self.weak if UPath(record.file).name in names]
        drawn = random.Random(self.seed).sample(self.weak, PICKED)
        taught = {"picked": picked, "random": drawn}
        aps = {
            name: self.run(name, [*self.strong, *moved], [x for x in self.weak if x not in moved])
            for name, moved in taught.items()
        }
        return [
            str(self.seed),
            " and ".join(str(count(moved)) for moved in taught.values()),
            f"{before:.1f}",
            *(f"**{aps[name] - before:+.1f}**" for name in taught),
        ]

    def run(self, name: str, strong: Sequence[Record], weak: Sequence[Record]) -> float:
        """Make a run of these images; return the AP of its student."""
        folder = self.out / name
        folder.mkdir(exist_ok=True)
        points = as_weak(self.records(weak), PointKind.CENTROID, self.seed)
        write_coco(self.records(strong), folder / "strong.json")
        write_coco(points, folder / "weak.json")
        write_coco(self.records(self.validation), folder / "validation.json")
        config = self.config(name)
        carry_out(point_wssis(Run(config, folder), config), until="evaluation")
        ap = read_json(folder / METRICS)[AP]
        print(self.seed, name, count(strong), count(weak), f"{ap:.2f}", flush=True)
        return float(ap)

    def records(self, records: Sequence[Record]) -> Records:
        return Records.from_rows(records, self.categories)

    def config(self, name: str) -> PointWSSISConfig:
        """Compose the demonstration's configuration for the data of one run."""
        shapes = load_config(PointWSSISConfig, "shapes", [f"seed={self.seed}", "estimate=false"])
        folder = self.out / name
        data = DataConfig(
            name="shapes",
            strong=str(folder / "strong.json"),
            weak=str(folder / "weak.json"),
            validation=str(folder / "validation.json"),
            images="",
            audit=0.25,
        )
        shorter = {
            stage: part.model_copy(update={"training": part.training.stretched(self.share)})
            for stage, part in shapes.trainings().items()
        }
        return shapes.model_copy(update={"data": data, **shorter})


def first_with(records: Sequence[Record], objects: int) -> list[Record]:
    """Return the first images that have this many objects together."""
    taken: list[Record] = []
    for record in records:
        if count(taken) >= objects:
            break
        taken.append(record)
    return taken


def count(records: Sequence[Record]) -> int:
    return sum(len(record.objects) for record in records)


if __name__ == "__main__":
    main()
