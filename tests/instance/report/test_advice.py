"""Advice: one case for each figure that calls for something, and silence where none does."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from upath import UPath

from ray_wssis.instance.advice import POLICIES, Advice, advise
from ray_wssis.instance.label_config import MergeConfig

GOOD: dict[str, Any] = {
    "metrics.json": {
        "teacher/val/AP": 20.0,
        "student/val/AP": 38.0,
        "upper_bound/val/AP": 40.0,
        "pseudo/rough/mIoU": 60.0,
        "pseudo/refined/mIoU": 70.0,
        "val/objects/left": 70,
        "val/objects/right": 60,
    },
    "audit/audit.json": {
        "audit": {"num_images": 12, "num_objects": 49, "mIoU": 70.0, "rough_mIoU": 60.0},
        "weak": {
            "num_points": 1420,
            "num_without_mask": 3,
            "num_failed_images": 0,
            "threshold": 0.5,
            "share_below_threshold": 10.1,
            "class_drift": 0.01,
            "class_drift_flag": False,
        },
        "masks": "refined",
    },
    "split/x_split.json": {"taught": {"num_instances_per_class": {"left": 40, "right": 30}}},
    "evaluation/confusion.json": {
        "student": {"score": 0.3, "counts": [{"true": "left", "found": "left", "count": 70}]}
    },
    "config.resolved.yaml": {
        "data": {"audit": 0.1},
        "teacher": {"training": {"early": [150, 220]}},
        "refiner": {"training": {"steps": 300}},
        "merge": {"below": "ignore"},
        "student": {"start": "teacher", "training": {"steps": 450}},
    },
}


def advice_on(folder: Path, file: str = "metrics.json", **changes: Any) -> list[Advice]:
    """Advise on a good run with other values in one of its files; `a__b` is b within a."""
    values = json.loads(json.dumps(GOOD))
    for path, value in changes.items():
        *outer, last = path.split("__")
        place = values[file]
        for key in outer:
            place = place[key]
        place[last] = value
    for name, content in values.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content))  # JSON is YAML too
    return advise(UPath(folder))


def test_a_good_run_needs_no_advice(tmp_path: Path) -> None:
    assert advice_on(tmp_path) == []


def test_an_empty_folder_gives_no_advice(tmp_path: Path) -> None:
    assert advise(UPath(tmp_path)) == []


AUDIT, CONFIG, SPLIT = "audit/audit.json", "config.resolved.yaml", "split/x_split.json"
CONFUSED = {
    "score": 0.3,
    "counts": [
        {"true": "left", "found": "right", "count": 41},
        {"true": "left", "found": "left", "count": 29},
    ],
}


@pytest.mark.parametrize(
    ("file", "changes", "seen", "do"),
    [
        (
            "metrics.json",
            {"teacher/val/AP": 38.4, "upper_bound/val/AP": None},
            "worse than its teacher: 38.0 against 38.4 AP, so serving and export use the teacher",
            "`student.training.steps`, now 450",
        ),
        (
            "metrics.json",
            {"teacher/val/AP": 37.8},
            "hardly better than its teacher: 38.0 against 37.8 AP",
            "`student.training.steps`, now 450",
        ),
        (
            AUDIT,
            {"masks": "rough", "audit__mIoU": 50.3, "audit__rough_mIoU": 52.4},
            "on the audit images, mIoU falls from 52.4 to 50.3. So the rough masks are used.",
            "`teacher.training.early`, now [150, 220]",
        ),
        (
            "metrics.json",
            {"pseudo/refined/mIoU": 59.0},
            "against the hidden true masks, mIoU falls from 60.0 to 59.0",
            "`refiner.training.steps`, now 300",
        ),
        (
            AUDIT,
            {"weak__share_below_threshold": 28.2},
            "28 % of the pseudo masks have an expected IoU below 0.5; the student learns them "
            "neither as objects nor as background (`merge.below: ignore`).",
            "`audit/review.json`",
        ),
        (
            AUDIT,
            {"weak__num_without_mask": 47},
            "47 of 1\u202f420 points (3.3 %) got no mask.",
            "`teacher.model.network.grids`",
        ),
        (
            AUDIT,
            {"weak__num_failed_images": 1},
            "1 weak image could not be used.",
            "--retry-failed",
        ),
        (
            SPLIT,
            {"taught__num_instances_per_class__wheel": 2},
            "1 of 3 classes has fewer than 10 masks to learn from: wheel (2).",
            "Draw more masks",
        ),
        (
            "evaluation/confusion.json",
            {"student": CONFUSED},
            "left for right (41 of 70)",
            "make them one class",
        ),
        (
            AUDIT,
            {"weak__class_drift": 0.2, "weak__class_drift_flag": True},
            "Class drift is 0.20",
            "draw more masks of the classes",
        ),
        (
            "metrics.json",
            {"upper_bound/val/AP": 50.0},
            "reaches 38.0 AP, 76 % of the 50.0 that all true masks give",
            "contact sheets",
        ),
        (
            AUDIT,
            {"audit__num_objects": 8, "audit__num_images": 1},
            "Only 8 objects on 1 audit image tell",
            "`data.audit`, now 0.1",
        ),
        (AUDIT, {"audit__num_objects": 0}, "There were no audit images", "`data.audit`"),
        (
            "metrics.json",
            {"val/objects/left": 11, "val/objects/right": 9},
            "AP is measured on 20 objects",
            "`data.validation_percent`",
        ),
    ],
)
def test_a_figure_that_calls_for_it_gives_one_piece_of_advice(
    file: str, changes: dict[str, Any], seen: str, do: str, tmp_path: Path
) -> None:
    (piece,) = advice_on(tmp_path, file, **changes)
    assert seen in piece.seen
    assert do in piece.do


def test_a_cold_student_is_told_to_start_from_the_teacher(tmp_path: Path) -> None:
    values = json.loads(json.dumps(GOOD["metrics.json"])) | {"teacher/val/AP": 39.0}
    advice_on(tmp_path, CONFIG, student__start="backbone")
    (tmp_path / "metrics.json").write_text(json.dumps(values))
    (piece,) = advise(UPath(tmp_path))
    assert f"`wssis run --out {tmp_path} --redo --set student.start=teacher`" in piece.do


@pytest.mark.parametrize(
    ("below", "says"),
    [
        ("drop", "as background (`merge.below: drop`)"),
        ("keep", "like all others"),
        ("x", "below 0.5."),
    ],
)
def test_what_happens_to_poor_masks_is_that_of_the_configuration(
    below: str, says: str, tmp_path: Path
) -> None:
    advice_on(tmp_path, CONFIG, merge__below=below)
    audit = json.loads((tmp_path / AUDIT).read_text())
    audit["weak"]["share_below_threshold"] = 30.0
    (tmp_path / AUDIT).write_text(json.dumps(audit))
    (piece,) = advise(UPath(tmp_path))
    assert says in piece.seen


def test_every_way_to_treat_poor_masks_has_its_words() -> None:
    known = get_args(MergeConfig.model_fields["below"].annotation)
    assert set(POLICIES) == set(known)


def test_a_long_list_of_classes_is_cut(tmp_path: Path) -> None:
    counts = {f"class {i}": i for i in range(9)}
    (piece,) = advice_on(tmp_path, SPLIT, taught__num_instances_per_class=counts)
    assert "class 4 (4) and 4 more." in piece.seen
