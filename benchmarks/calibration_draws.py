"""Measures how well a handful of audit images calibrates the expected IoU of all other masks.

    python -m benchmarks.calibration_draws runs/shapes runs/nuclei runs/animals

Takes finished runs whose hidden masks are known, one of each data set.  25 weak images stand in for
the strong ones, 100 times; five of them audit and calibrate, and the masks of all weak images
beyond the 25 are judged.  The error is the mean gap between expected and true IoU over ten groups
of equal count.  What is known of other data is learnt from the other runs, never from the judged
one.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from upath import UPath

from benchmarks.timing import table
from ray_wssis.data.records import Records
from ray_wssis.data.split.cut import draw_audit
from ray_wssis.instance.area_prior import AreaPrior
from ray_wssis.instance.audit_figures import POOR_IOU, Audit
from ray_wssis.instance.quality import read_signals
from ray_wssis.instance.signal_prior import DOUBT, INTERCEPT_DOUBT, UNTOLD
from ray_wssis.instance.split import TAUGHT, WEAK_TRUTH
from ray_wssis.methods.point_wssis.labeller import PointLabeller
from ray_wssis.metrics.calibration import (
    LEAST_SPREAD,
    Prior,
    Regression,
    calibration_error,
    reliability_bins,
)
from ray_wssis.streaming.table import read_rows

AIM = 0.05  # calibration error
SHARE = 0.2  # of the images with masks that audit
SIGNALS = PointLabeller.signals
HEAD = (
    "run", "method", "error", "90 % of draws", "<= 0.05", "bias", "rank", "below", "good",
    "surely below", "good", "mean inside",
)  # fmt: skip

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Masks(NamedTuple):
    """Masks of some images; points without a mask are left out."""

    signals: Floats  # (N, F)
    truth: Floats  # (N,) IoUs
    image_id: Ints  # (N,)


class Expected(NamedTuple):
    """Expectations of N masks by one method."""

    iou: Floats  # (N,)
    highest: Floats | None = None  # (N,) upper ends of the 90 % intervals
    doubt: float | None = None  # half the 90 % interval of the mean


Method = Callable[[Masks, Floats, Prior], Expected]  # audit, signals of the others, from other runs


def weighted_sum(audit: Masks, signals: Floats, prior: Prior, farthest: float = np.inf) -> Expected:
    """Predict as version 0.1 did: ridge regression, images by the root of their objects."""
    _, place, counts = np.unique(audit.image_id, return_inverse=True, return_counts=True)
    counted: Floats = 1 / np.sqrt(counts[place])
    counted /= counted.mean()
    mean: Floats = np.asarray(np.average(audit.signals, axis=0, weights=counted))
    variance = np.average((audit.signals - mean) ** 2, axis=0, weights=counted)
    least = 1e-12 if np.isinf(farthest) else LEAST_SPREAD**2
    spread: Floats = np.sqrt(np.where(variance > least, variance, 1.0))

    def standard(values: Floats) -> Floats:
        return ((values - mean) / spread).clip(-farthest, farthest)

    level = float(np.average(audit.truth, weights=counted))
    weights: Floats = np.zeros(len(mean))
    if len(audit.truth) >= 12:
        seen = standard(audit.signals).T * counted
        held = seen @ standard(audit.signals) + 5 * np.eye(len(mean))
        weights = np.asarray(np.linalg.solve(held, seen @ (audit.truth - level)), np.float64)
    return Expected((standard(signals) @ weights + level).clip(0, 1))


def cut_sum(audit: Masks, signals: Floats, prior: Prior) -> Expected:
    return weighted_sum(audit, signals, prior, farthest=3)


def logistic(audit: Masks, signals: Floats, prior: Prior) -> Expected:
    fitted = Regression.fit(*audit, prior)
    doubt = fitted.doubt_of_mean(fitted.slopes(signals).mean(axis=0))
    return Expected(fitted.predict(signals), fitted.highest(signals), doubt)


def without_prior(audit: Masks, signals: Floats, prior: Prior) -> Expected:
    """Know nothing of other data but the scales of the signals."""
    blank = [0.0] * len(prior.weights)
    return logistic(audit, signals, replace(prior, weights=blank, intercept_doubt=3.0, doubt=1.0))


def without_duplicates(audit: Masks, signals: Floats, prior: Prior) -> Expected:
    kept = [name != "duplicate" for name in SIGNALS]
    spreads = [s if keep else 1e9 for s, keep in zip(prior.spreads, kept, strict=True)]
    return logistic(audit, signals, replace(prior, spreads=spreads))


def all_others(audit: Masks, signals: Floats, prior: Prior) -> Expected:
    """Believe the other runs and do not look at the audit."""
    nothing = Masks(audit.signals[:0], audit.truth[:0], audit.image_id[:0])
    return logistic(nothing, signals, prior)


class Way(NamedTuple):
    method: Method
    is_drawn_alike: bool = False  # audit images as the split draws them; else at random


WAYS = {
    "weighted sum (before)": Way(weighted_sum),
    "weighted sum, cut at 3": Way(cut_sum),
    "weighted sum, usual images": Way(weighted_sum, is_drawn_alike=True),
    "logistic": Way(without_prior),
    "logistic, prior": Way(without_duplicates),
    "logistic, prior, duplicates": Way(logistic),
    "the same, usual images (now)": Way(logistic, is_drawn_alike=True),
    "prior alone": Way(all_others),
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """The masks of a finished run."""

    name: str
    signals: Floats  # (N, F)
    rough: Floats  # (N,) IoUs
    refined: Floats  # (N,)
    image_id: Ints  # (N,)
    truth: Records  # all weak images with points

    @classmethod
    def read(cls, folder: UPath) -> "Run":
        rows = [row for row in read_rows(folder / "labels/rows", source="weak") if row["label"]]
        places = {row["image_id"] for row in rows}
        weak = Records.read(folder / "split" / WEAK_TRUTH)
        truth = weak.select([i for i, record in enumerate(weak) if record.image_id in places])
        audit = Audit.of(rows, {record.image_id: record for record in truth})
        usable = audit.is_judged
        prior = AreaPrior.of(Records.read(folder / "split" / TAUGHT))
        return cls(
            name=folder.name,
            signals=read_signals(rows, SIGNALS, prior)[usable],
            rough=audit.rough[usable],
            refined=audit.refined[usable],
            image_id=audit.image_id[usable],
            truth=truth,
        )

    def draws(self, options: argparse.Namespace, is_alike: bool) -> Iterator[tuple[Masks, Masks]]:
        """Yield the masks of audit images, and those of images that are not strong."""
        num_strong = round(options.images / SHARE)
        for seed in range(options.draws):
            order = np.random.default_rng(seed).permutation(len(self.truth))[:num_strong]
            strong = [record.image_id for record in self.truth.select(order.tolist())]
            chosen = strong[: options.images]
            if is_alike:
                _, drawn = draw_audit(self.truth.select(order.tolist()), SHARE, seed)
                chosen = [record.image_id for record in drawn]
            is_audit = np.isin(self.image_id, chosen)
            if is_audit.any():
                is_rough_better = self.rough[is_audit].mean() > self.refined[is_audit].mean()
                truth = self.rough if is_rough_better else self.refined
                yield (
                    self.masks(is_audit, truth),
                    self.masks(~np.isin(self.image_id, strong), truth),
                )

    def masks(self, part: NDArray[np.bool_], truth: Floats) -> Masks:
        return Masks(self.signals[part], truth[part], self.image_id[part])


def learnt(runs: list[Run]) -> Prior:
    """Learn a prior from 2,000 masks of each run, drawn at random so that all runs count alike."""
    rng = np.random.default_rng(0)
    drawn = [(run, rng.integers(len(run.image_id), size=2000)) for run in runs]
    signals = np.concatenate([run.signals[places] for run, places in drawn])
    better = [run.rough if run.rough.mean() > run.refined.mean() else run.refined for run in runs]
    truth = np.concatenate([ious[places] for ious, (_, places) in zip(better, drawn, strict=True)])
    told = np.array([name not in UNTOLD for name in SIGNALS])
    blank = Prior(
        means=signals.mean(axis=0).tolist(),
        spreads=np.where(told, signals.std(axis=0), 1e9).tolist(),
        weights=[0.0] * len(SIGNALS),
        intercept=0.0,
        doubt=0.2,  # holds back signals that go together
        intercept_doubt=10.0,
    )
    fitted = Regression.fit(signals, truth, np.arange(len(truth)), blank)
    return Prior(
        means=fitted.means,
        spreads=np.maximum(signals.std(axis=0), LEAST_SPREAD).tolist(),
        weights=fitted.weights,
        intercept=fitted.intercept,
        doubt=DOUBT,
        intercept_doubt=INTERCEPT_DOUBT,
    )


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One draw, judged on the masks that did not calibrate."""

    error: float
    bias: float  # mean of expected - true
    rank: float  # Spearman's correlation of expected and true
    below: float  # share of the masks that are expected to be poor
    good: float  # share of those that are not; NaN without any
    surely_below: float = np.nan  # share of the masks whose whole interval is poor
    surely_good: float = np.nan
    is_inside: float = np.nan  # whether the true mean is in the interval of the expected one


def judge(expected: Expected, truth: Floats) -> Judged:
    error = calibration_error(reliability_bins(expected.iou, truth))
    assert error is not None
    bias = float((expected.iou - truth).mean())
    below, good = ignored(expected.iou, truth)
    judged = Judged(
        error=error, bias=bias, rank=rank_correlation(expected.iou, truth), below=below, good=good
    )
    if expected.highest is None or expected.doubt is None:
        return judged
    surely, surely_good = ignored(expected.highest, truth)
    is_inside = float(abs(bias) <= expected.doubt)
    return replace(judged, surely_below=surely, surely_good=surely_good, is_inside=is_inside)


def ignored(expected: Floats, truth: Floats) -> tuple[float, float]:
    """Return the share of the masks that are expected to be poor, and of good ones among them."""
    poor = expected < POOR_IOU
    good = float((truth[poor] >= POOR_IOU).mean()) if poor.any() else np.nan
    return float(poor.mean()), good


def rank_correlation(first: Floats, second: Floats) -> float:
    """Spearman's, ties in any order; 0 if the first is constant."""
    if np.ptp(first) == 0:
        return 0.0
    ranks = np.array([np.argsort(np.argsort(each, kind="stable")) for each in (first, second)])
    return float(np.corrcoef(ranks)[0, 1])


def line(run: Run, name: str, prior: Prior, options: argparse.Namespace) -> list[str]:
    way = WAYS[name]
    found = [
        judge(way.method(audit, rest.signals, prior), rest.truth)
        for audit, rest in run.draws(options, way.is_drawn_alike)
    ]
    error, bias, rank = (
        np.array([getattr(each, key) for each in found]) for key in ("error", "bias", "rank")
    )
    shares = ("below", "good", "surely_below", "surely_good", "is_inside")
    return [
        run.name,
        name,
        f"**{np.median(error):.3f}**",
        f"{np.quantile(error, 0.9):.3f}",
        f"{(error <= AIM).mean():.0%}",
        f"{bias.mean():+.3f} ± {bias.std():.3f}",
        f"{rank.mean():.2f}",
        *(share([getattr(each, key) for each in found]) for key in shares),
    ]


def share(values: list[float]) -> str:
    known = [value for value in values if not np.isnan(value)]
    return f"{np.mean(known):.0%}" if known else "–"


def main() -> None:
    options = read_options()
    runs = [Run.read(UPath(folder)) for folder in options.runs]
    lines = []
    for run in runs:
        prior = learnt([other for other in runs if other is not run])
        lines += [line(run, name, prior, options) for name in WAYS]
    print(table(HEAD, lines))
    together = learnt(runs)
    print(f"\nAll of them together: intercept {together.intercept:.2f}")
    numbers = zip(SIGNALS, together.means, together.spreads, together.weights, strict=True)
    for name, *values in numbers:
        print(f"{name}: " + ", ".join(f"{value:.2f}" for value in values))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", help="folders of two or more finished runs")
    parser.add_argument("--images", type=int, default=5, help="number that calibrate")
    parser.add_argument("--draws", type=int, default=100, help="random choices of images")
    return parser.parse_args()


if __name__ == "__main__":
    main()
