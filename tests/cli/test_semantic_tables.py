"""What commands print about a semantic run."""

import io

from rich.console import Console
from rich.table import Table

from ray_wssis.cli.semantic_tables import (
    labels_table,
    miou_table,
    models_of,
    show_semantic_audit,
)

FIGURES = {
    "hybrid/val/mIoU": 62.04,
    "hybrid/val/mIoU@tags": 70.0,
    "hybrid/val/IoU/[b]disc": 50.0,
    "hybrid/val/IoU/box": None,
    "student/val/mIoU": 65.0,
    "student/val/mIoU@tags": 71.26,
    "student/val/IoU/[b]disc": 55.0,
    "student/val/IoU/box": 1.0,
}
AUDIT = {
    "num_audit_images": 3,
    "pixel_accuracy": {"audit_mean": 0.9, "mean_error": 0.02, "expected_mean": 0.88},
    "mIoU": {"audit_mean": 0.7, "mean_error": None, "expected_mean": None},
}


def printed(table: Table) -> list[list[str]]:
    stream = io.StringIO()
    Console(file=stream, width=100).print(table)
    return [line.split() for line in stream.getvalue().replace("│", " ").splitlines()]


def test_each_model_has_a_column_and_each_class_a_row() -> None:
    assert models_of(FIGURES) == ["hybrid", "student"]
    rows = printed(miou_table(FIGURES, ["hybrid", "student"]))
    assert ["all", "classes", "62.0", "65.0"] in rows
    assert ["with", "tags", "70.0", "71.3"] in rows
    assert ["[b]disc", "50.0", "55.0"] in rows
    assert ["box", "1.0"] in rows
    assert not any("views" in row for row in rows)


def test_labels_say_how_good_they_are_expected_to_be() -> None:
    summary = {
        "num_images": 20,
        "num_failed_images": 1,
        "flags": {"tag missing": 2},
        "mean_confidence": 0.93,
        "share_of_pixels": {"ground": 0.8, "disc": 0.2},
    }
    rows = printed(labels_table(summary, AUDIT))
    assert ["images", "with", "the", "flag", "tag", "missing", "2"] in rows
    assert ["expected", "pixel", "accuracy", "0.880"] in rows
    assert ["pixels", "of", "class", "disc", "20.0", "%"] in rows
    assert not any("mIoU" in row for row in rows)


def test_an_audit_says_what_was_measured_and_what_is_expected() -> None:
    stream = io.StringIO()
    show_semantic_audit(Console(file=stream, width=120), AUDIT, "runs/x/audit/review.json")
    lines = stream.getvalue().splitlines()
    assert lines[0] == (
        "pixel accuracy: 90.0 % on 3 audit images; expected of the weak ones: 88.0 %, off by 2.0"
    )
    assert lines[1].endswith("expected of the weak ones: –")
    assert lines[-1] == "The worst class maps: runs/x/audit/review.json"
