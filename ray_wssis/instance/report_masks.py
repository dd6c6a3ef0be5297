"""Sections of the page about pseudo masks: how good they are, and how far to trust them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ray_wssis.instance.advice import Facts, poor_policy
from ray_wssis.instance.drawer import is_drawn_here, labeller_of
from ray_wssis.instance.label_numbers import LabelNumbers
from ray_wssis.report.charts import COLORS, finish, new_chart
from ray_wssis.report.page import Section
from ray_wssis.report.run_folder import RunFolder
from ray_wssis.report.template import render

HERE = "ray_wssis.instance"
KINDS = {"rough": "amber", "refined": "sky"}  # of pseudo masks -> color


def masks_section(
    run: RunFolder, counts: Mapping[str, Any], numbers: LabelNumbers, *, has_refiner: bool
) -> Section:
    """Quality of the pseudo masks as a whole, by class and by pyramid level."""
    labels = run.stages.get("labels")
    html = render(
        "masks",
        HERE,
        masks=mask_quality(run, counts, numbers),
        classes=class_rows(run, counts),
        levels=level_rows(numbers),
        histogram=histogram(numbers),
        num_failed=len(labels.failed) if labels else 0,
        has_refiner=has_refiner,
        zero_shot=None if is_drawn_here(run.folder) else labeller_of(run.folder),
    )
    return Section(anchor="masks", title="Pseudo masks", html=html)


def mask_quality(
    run: RunFolder, counts: Mapping[str, Any], numbers: LabelNumbers
) -> dict[str, Any]:
    """Number of pseudo masks, and their quality before and after refining."""
    num_points = counts.get("weak", {}).get("num_instances", len(numbers))
    num_missing = num_points - int(numbers.has_mask.sum())
    return {
        "num_points": num_points,
        "num_missing": num_missing,
        "missing_share": 100 * num_missing / num_points if num_points else None,
        "knows_truth": numbers.knows_truth,
        "rows": [
            {
                "kind": kind,
                "color": color,
                "mIoU": run.figure(f"pseudo/{kind}/mIoU"),
                "share_good": run.figure(f"pseudo/{kind}/share_good"),
            }
            for kind, color in KINDS.items()
        ],
    }


def class_rows(run: RunFolder, counts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """mIoU of each class, best first."""
    prefix = "pseudo/refined/mIoU/"
    names = [name.removeprefix(prefix) for name in run.figures if name.startswith(prefix)]
    rows = [
        {
            "name": name,
            "rough": run.figure(f"pseudo/rough/mIoU/{name}"),
            "refined": run.figure(f"{prefix}{name}"),
            "num_masks": counts.get("strong", {}).get("num_instances_per_class", {}).get(name),
            "num_points": counts.get("weak", {}).get("num_instances_per_class", {}).get(name),
        }
        for name in names
    ]
    return sorted(rows, key=lambda row: -(row["refined"] or 0.0))


def level_rows(numbers: LabelNumbers) -> list[dict[str, Any]]:
    """Share of each pyramid level among the masks, in percent; none without levels."""
    levels, counts = np.unique(numbers.level[numbers.level >= 0], return_counts=True)
    total = max(1, int(counts.sum()))
    return [
        {"level": level, "count": count, "share": 100 * count / total}
        for level, count in zip(levels.tolist(), counts.tolist(), strict=True)
    ]


def histogram(numbers: LabelNumbers) -> str | None:
    """Chart of the IoU of all masks; None where no truth is known."""
    known = np.isfinite(numbers.refined_iou)
    if not known.any():
        return None
    return iou_histogram(numbers.rough_iou[known], numbers.refined_iou[known], "iou")


def iou_histogram(rough: NDArray[np.float64], refined: NDArray[np.float64], name: str) -> str:
    """Chart of the share of the masks per tenth of IoU, before and after refining."""
    figure, axes = new_chart("IoU with the true mask", "% of the points")
    edges = np.linspace(0, 1, 11)
    for shift, kind, values in ((0.004, "rough", rough), (0.05, "refined", refined)):
        counts, _ = np.histogram(values, bins=edges)
        shares = 100 * counts / max(1, len(values))
        color = COLORS[KINDS[kind]]
        axes.bar(edges[:-1] + shift, shares, 0.042, align="edge", color=color, label=kind)
    axes.set_xlim(0, 1)
    axes.set_xticks(edges[::2])
    return finish(figure, axes, name, has_legend=True)


def trust_section(run: RunFolder) -> Section:
    """Findings of the audit, or that there was none."""
    facts = Facts.read(run)
    audit = facts.audit
    reliability = audit.get("reliability")
    html = render(
        "trust",
        HERE,
        trust=audit,
        chart=reliability_chart(reliability["bins"], "reliability") if reliability else None,
        policy=poor_policy(facts),
        folder=run.folder,
        has_review=(run.folder / "audit/review.html").exists(),
    )
    return Section(anchor="trust", title="Trust", html=html)


def reliability_chart(bins: Sequence[Mapping[str, float]], name: str) -> str:
    """Chart of expected against true IoU; each bin holds about as many objects as the others.

    On the diagonal an expectation is right; the stroke of a bin is the gap to it.
    """
    figure, axes = new_chart("expected IoU", "true IoU")
    expected = [group["expected"] for group in bins]
    true = [group["true"] for group in bins]
    color = COLORS[KINDS["refined"]]
    axes.plot([0, 1], [0, 1], color=COLORS["muted"], linestyle=(0, (3, 3)), linewidth=1)
    axes.vlines(expected, expected, true, color=color, linewidth=1.2)
    axes.plot(expected, true, "o", color=color, ms=5, clip_on=False)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    return finish(figure, axes, name, has_legend=False)
