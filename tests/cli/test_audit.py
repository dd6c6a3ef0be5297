"""Tests of ray_wssis.cli.audit, on figures as the stage writes them."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result
from upath import UPath

from ray_wssis.artifacts import Workspace, open_stage
from ray_wssis.cli.audit import audit_command, show_weak

PART = {"num_objects": 8, "mIoU": 81.25, "share_below_half": 12.5}
FIGURES: dict[str, Any] = {
    "audit": PART
    | {
        "num_images": 3,
        "num_without_mask": 1,
        "rough_mIoU": 63.0,
        "by_class": [{"name": "[ring]"} | PART],
        "by_size": [{"name": "small"} | PART],
    },
    "reliability": {
        "expected_calibration_error": 0.0312,
        "by_chance": 0.0204,
        "bins": [{"count": 8, "expected": 0.8, "true": 0.75, "spread": 0.1}],
    },
    "weak": {
        "num_images": 20,
        "num_failed_images": 0,
        "num_points": 90,
        "num_without_mask": 2,
        "mean_expected_iou": 0.78,
        "threshold": 0.5,
        "share_below_threshold": 6.8,
        "flags": {"duplicate": 4, "empty": 2},
        "class_drift": 0.02,
        "class_drift_flag": False,
        "class_drift_from_strong": 0.11,
    },
}
app = typer.Typer()
app.command()(audit_command)


def said(run: Path, figures: dict[str, Any] | None) -> Result:
    stage = open_stage(UPath(run / "audit"), {"by": "hand"})
    assert isinstance(stage, Workspace)
    if figures is not None:
        (stage / "audit.json").write_text(json.dumps(figures))
        stage.finish()
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(run)])


def test_doubts_are_shown_where_they_are_known() -> None:
    console = Console(record=True, width=200)
    show_weak(
        console, FIGURES["weak"] | {"mean_expected_iou_doubt": 0.06, "share_surely_below": 1.5}
    )
    assert "expected IoU 0.78 ± 0.06, 6.8 % below 0.5 (1.5 % surely)" in console.export_text()


def test_all_figures_are_shown(tmp_path: Path) -> None:
    result = said(tmp_path, FIGURES)
    assert result.exit_code == 0, result.output
    for text in (
        "8 objects on 3 audit images: mIoU 81.2 % (rough masks 63.0 %), 12.5 % below 0.5",
        "[ring]",
        "Expected calibration error 0.031 (about 0.020 by chance alone)",
        "-0.05",
        "88 masks for 90 points on 20 weak images: mean expected IoU 0.78, 6.8 % below 0.5",
        "Flags: duplicate 4, empty 2",
        "Class drift 0.02 (from true objects to points: 0.11)",
        f"The worst masks: {tmp_path / 'audit' / 'review.html'}",
    ):
        assert text in result.output


def test_a_drift_is_flagged(tmp_path: Path) -> None:
    weak = FIGURES["weak"] | {"class_drift": 0.2, "class_drift_flag": True, "flags": {}}
    output = said(tmp_path, FIGURES | {"weak": weak}).output
    assert "of other classes than the points" in output
    assert "Flags: none" in output


def test_what_was_not_measured_is_said(tmp_path: Path) -> None:
    output = said(tmp_path / "one", FIGURES | {"reliability": None}).output
    assert "unknown; it needs masks of at least two audit images" in output
    nothing = {
        "audit": {"num_objects": 0},
        "reliability": None,
        "weak": FIGURES["weak"] | {"mean_expected_iou": None, "share_below_threshold": None},
    }
    result = said(tmp_path / "none", nothing)
    assert result.exit_code == 0, result.output
    assert "no audit images" in result.output
    assert "mean expected IoU –, – % below 0.5" in result.output


@pytest.mark.parametrize("started", [True, False])
def test_a_run_without_a_finished_audit_is_an_error(tmp_path: Path, started: bool) -> None:
    if started:
        said(tmp_path, None)
    with pytest.raises(ValueError, match=r"no finished audit.*wssis label --out"):
        audit_command(str(tmp_path))
