"""Measures how well a handful of audit images calibrates the expected IoU of all other masks.

    python -m benchmarks.calibration_draws runs/shapes runs/nuclei runs/animals

Takes finished runs whose hidden masks are known.  Some weak images, drawn 100 times, stand in for
audit images and calibrate; the masks of all other weak images are judged.  The error is the mean
gap between expected and true IoU over ten groups of equal count.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from upath import UPath

from benchmarks.timing import table
from ray_wssis.data.records import Records
from ray_wssis.instance.area_prior import AreaPrior
from ray_wssis.instance.audit_figures import POOR_IOU, Audit
from ray_wssis.instance.quality import read_signals
from ray_wssis.instance.split import TAUGHT, WEAK_TRUTH
from ray_wssis.methods.point_wssis.labeller import PointLabeller
from ray_wssis.metrics.calibration import Regression, calibration_error, reliability_bins
from ray_wssis.streaming.table import read_rows

AIM = 0.05  # calibration error
HEAD = ("run", "method", "error", "90 % of draws", "<= 0.05", "bias", "rank", "ignored", "good")

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Predict = Callable[[Floats], Floats]  # signals (N, F) to expected IoUs (N,)
Method = Callable[["Masks"], Predict]


@dataclass(frozen=True, kw_only=True)
class Masks:
    """The masks of some weak images; those of points without a mask are left out."""

    signals: Floats  # (N, F)
    truth: Floats  # (N,) IoUs
    image_id: Ints  # (N,)


def constant(audit: Masks) -> Predict:
    mean = float(audit.truth.mean())
    return lambda signals: np.full(len(signals), mean)


def ridge(audit: Masks) -> Predict:
    return Regression.fit(audit.signals, audit.truth, audit.image_id).predict


METHODS: dict[str, Method] = {"mean of all": constant, "ridge": ridge}


@dataclass(frozen=True, kw_only=True)
class Run:
    """The masks of a finished run."""

    name: str
    signals: Floats  # (N, F)
    rough: Floats  # (N,) IoUs
    refined: Floats  # (N,)
    image_id: Ints  # (N,)
    images: list[int]  # ids, also of those without a mask

    @classmethod
    def read(cls, folder: UPath) -> "Run":
        signals = PointLabeller.signals
        columns = ["image_id", "annotation_id", "rough", "refined", "label", *signals]
        rows = [
            row for row in read_rows(folder / "labels/rows", columns, source="weak") if row["label"]
        ]
        truth = {record.image_id: record for record in Records.read(folder / "split" / WEAK_TRUTH)}
        audit = Audit.of(rows, truth)
        usable = audit.is_judged
        prior = AreaPrior.of(Records.read(folder / "split" / TAUGHT))
        return cls(
            name=folder.name,
            signals=read_signals(rows, signals, prior)[usable],
            rough=audit.rough[usable],
            refined=audit.refined[usable],
            image_id=audit.image_id[usable],
            images=[row["image_id"] for row in rows],
        )

    def draws(self, num_images: int, num_draws: int) -> Iterator[tuple[Masks, Masks]]:
        """Yield the masks of images that stand in for the audit, and those of all others."""
        for seed in range(num_draws):
            chosen = np.random.default_rng(seed).permutation(self.images)[:num_images]
            is_audit = np.isin(self.image_id, chosen)
            is_rough_better = self.rough[is_audit].mean() > self.refined[is_audit].mean()
            truth = self.rough if is_rough_better else self.refined
            audit, rest = (
                Masks(signals=self.signals[part], truth=truth[part], image_id=self.image_id[part])
                for part in (is_audit, ~is_audit)
            )
            if len(audit.truth):
                yield audit, rest


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One draw, judged on the masks that did not calibrate."""

    error: float
    bias: float  # mean of expected - true
    rank: float  # Spearman's correlation of expected and true
    ignored: float  # share of the masks
    good: float  # share of those that are no poor masks; NaN without any


def judge(predict: Predict, masks: Masks) -> Judged:
    expected, truth = predict(masks.signals), masks.truth
    error = calibration_error(reliability_bins(expected, truth))
    assert error is not None
    ignored = expected < POOR_IOU
    return Judged(
        error=error,
        bias=float((expected - truth).mean()),
        rank=rank_correlation(expected, truth),
        ignored=float(ignored.mean()),
        good=float((truth[ignored] >= POOR_IOU).mean()) if ignored.any() else np.nan,
    )


def rank_correlation(first: Floats, second: Floats) -> float:
    """Spearman's, ties in any order; 0 if the first is constant."""
    if np.ptp(first) == 0:
        return 0.0
    ranks = np.array([np.argsort(np.argsort(each, kind="stable")) for each in (first, second)])
    return float(np.corrcoef(ranks)[0, 1])


def line(run: Run, name: str, draws: list[tuple[Masks, Masks]]) -> list[str]:
    found = [judge(METHODS[name](audit), rest) for audit, rest in draws]
    error, bias, rank, ignored, good = (
        np.array([getattr(each, key) for each in found])
        for key in ("error", "bias", "rank", "ignored", "good")
    )
    share_good = "–" if np.isnan(good).all() else f"{np.nanmean(good):.0%}"
    return [
        run.name,
        name,
        f"**{np.median(error):.3f}**",
        f"{np.quantile(error, 0.9):.3f}",
        f"{(error <= AIM).mean():.0%}",
        f"{bias.mean():+.3f} ± {bias.std():.3f}",
        f"{rank.mean():.2f}",
        f"{ignored.mean():.1%}",
        share_good,
    ]


def main() -> None:
    options = read_options()
    lines = []
    for folder in options.runs:
        run = Run.read(UPath(folder))
        draws = list(run.draws(options.images, options.draws))
        lines += [line(run, name, draws) for name in METHODS]
    print(table(HEAD, lines))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", help="folders of finished runs")
    parser.add_argument("--images", type=int, default=5, help="number that calibrate")
    parser.add_argument("--draws", type=int, default=100, help="random choices of images")
    return parser.parse_args()


if __name__ == "__main__":
    main()
