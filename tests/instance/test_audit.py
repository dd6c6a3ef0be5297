import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from upath import UPath

from ray_wssis.artifacts import Artifact, Workspace, open_stage
from ray_wssis.data.coco.read import read_coco
from ray_wssis.data.records import Record, Records
from ray_wssis.instance.audit import (
    CALIBRATION,
    FIGURES,
    REVIEW,
    REVIEW_PAGE,
    WORST,
    WeakNumbers,
    audit,
    warn,
)
from ray_wssis.instance.audit_figures import Audit
from ray_wssis.instance.label_config import AuditConfig
from ray_wssis.instance.mask_quality import MaskQuality
from ray_wssis.instance.quality import QualityModel
from ray_wssis.instance.split import AUDIT, WEAK_TRUTH, split
from ray_wssis.instance.split_config import DataConfig, ShapesConfig
from ray_wssis.instance.truth import compare_row
from ray_wssis.methods.point_wssis.labeller import PointLabeller
from tests.support.drawn_labels import failed_row, label_row, write_rows
from tests.support.run_in import run_in

SIGNALS = PointLabeller.signals
SHAPES = ShapesConfig(num_images=24, num_validation_images=2, size=96)


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A split with six audit images."""
    run = run_in(tmp_path_factory.mktemp("audited"))
    made = split(run, DataConfig(shapes=SHAPES, percent=50, audit=0.5))
    assert len(Records.read(made / AUDIT)) == 6
    return made


def rows_of(data: Artifact) -> list[dict[str, Any]]:
    """The last weak image cannot be read."""
    weak = list(Records.read(data / WEAK_TRUTH))
    rows = [label_row(record, "audit") for record in Records.read(data / AUDIT)]
    rows += [label_row(record) for record in weak[:-1]]
    return [*rows, failed_row(weak[-1], "cut short")]


def labels_of(rows: Sequence[dict[str, Any]], folder: Path) -> Artifact:
    stage = open_stage(UPath(folder), {"by": "hand"})
    assert isinstance(stage, Workspace)
    write_rows(list(rows[::2]), stage / "rows/a.parquet")
    write_rows(list(rows[1::2]), stage / "rows/b.parquet")
    return stage.finish()


@pytest.fixture(scope="module")
def labels(audited: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return labels_of(rows_of(audited), tmp_path_factory.mktemp("labels") / "labels")


@pytest.fixture(scope="module")
def made(audited: Artifact, labels: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    run = run_in(tmp_path_factory.mktemp("made"))
    return audit(run, audited, labels, SIGNALS, AuditConfig(review=10))


def read(artifact: Artifact, name: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((artifact / name).read_text())
    return values


def weak_points(rows: list[dict[str, Any]], model: QualityModel) -> list[dict[str, Any]]:
    """One entry a point with a mask, the slow and obvious way."""
    return [
        {
            "id": row["annotation_id"][i],
            "label": row["label"][i],
            "expected": expected,
            "flags": row["flags"][i],
            "score": row["refined_score"][i],
            "mask": row["refined"][i],
        }
        for row in rows
        if row["source"] == "weak" and row["error"] is None
        for i, expected in enumerate(model.expected_iou(row))
        if row["refined"][i] is not None
    ]


def test_figures_are_those_of_the_audit_images(audited: Artifact, made: Artifact) -> None:
    quality = MaskQuality()
    truth = Records.read(audited / AUDIT)
    for record in truth:
        quality.add(record, compare_row(label_row(record, "audit"), "refined", record))
    figures = read(made, FIGURES)["audit"]
    assert figures["num_images"] == 6
    assert figures["num_objects"] == len(quality.ious)
    assert figures["mIoU"] == pytest.approx(quality.figures([])["mIoU"])
    assert figures["rough_mIoU"] < figures["mIoU"]
    names = [category.name for category in truth.categories]
    assert {row["name"] for row in figures["by_class"]} <= set(names)


def test_the_calibration_holds_for_the_weak_images(audited: Artifact, made: Artifact) -> None:
    model = QualityModel.from_json(read(made, CALIBRATION))
    weak = list(Records.read(audited / WEAK_TRUTH))
    rows = [label_row(record) for record in weak]
    measured = Audit.of(rows, {record.image_id: record for record in weak})
    expected, drawn = model.expected_ious(rows), measured.has_mask
    assert np.corrcoef(expected[drawn], measured.refined[drawn])[0, 1] > 0.7
    reliability = read(made, FIGURES)["reliability"]
    assert 0 < reliability["expected_calibration_error"] < 0.15
    assert sum(each["count"] for each in reliability["bins"]) > 15


def test_weak_images_are_counted(audited: Artifact, made: Artifact) -> None:
    rows = [row for row in rows_of(audited) if row["source"] == "weak"]
    points = weak_points(rows, QualityModel.from_json(read(made, CALIBRATION)))
    weak = read(made, FIGURES)["weak"]
    num_points = sum(len(row.get("label", [])) for row in rows)
    assert (weak["num_images"], weak["num_failed_images"]) == (12, 1)
    assert (weak["num_points"], weak["num_without_mask"]) == (num_points, num_points - len(points))
    expected = np.array([point["expected"] for point in points])
    assert weak["mean_expected_iou"] == pytest.approx(expected.mean(), abs=1e-5)
    assert weak["share_below_threshold"] == pytest.approx(100 * (expected < 0.5).mean(), abs=1e-3)
    assert weak["share_surely_below"] < weak["share_below_threshold"]
    assert 0.01 < weak["mean_expected_iou_doubt"] < 0.2
    flags = [flag for row in rows for each in row.get("flags", []) for flag in each]
    assert weak["flags"] == {name: flags.count(name) for name in set(flags)}
    assert weak["flags"]["empty"] == weak["num_without_mask"] > 0


def test_the_review_lists_the_worst_masks_first(audited: Artifact, made: Artifact) -> None:
    model = QualityModel.from_json(read(made, CALIBRATION))
    points = weak_points(rows_of(audited), model)
    points.sort(key=lambda p: (p["score"], p["id"]))
    seen: Counter[Any] = Counter()
    for point in points:
        kind = (round(point["expected"], 2), point["label"], *point["flags"])
        point["turn"] = seen[kind]
        seen[kind] += 1
    points.sort(key=lambda p: (round(p["expected"], 2), p["turn"]))
    review = read(made, REVIEW)
    assert [entry["id"] for entry in review["annotations"]] == [p["id"] for p in points[:10]]
    assert [entry["rank"] for entry in review["annotations"]] == list(range(1, 11))
    for entry, point in zip(review["annotations"], points, strict=False):
        assert entry["expected_iou"] == pytest.approx(point["expected"], abs=1e-4)
        assert entry["flags"] == point["flags"]
        assert entry["segmentation"]["counts"] == point["mask"].decode()


def worst_of(candidates: np.ndarray, made: Artifact, pieces: int) -> list[int]:
    """Return the points of the ten worst, with the candidates passing by in so many pieces."""
    model = QualityModel.from_json(read(made, CALIBRATION))
    weak = WeakNumbers(model, AuditConfig(review=10), 6)
    for piece in np.array_split(candidates, pieces):
        weak.keep_worst(piece)
    return [int(point) for point in weak.worst["point"]]


def test_of_masks_that_are_equally_poor_kinds_take_turns(made: Artifact) -> None:
    candidates = np.zeros(40, WORST)
    candidates["point"] = np.arange(40)
    candidates["kind"] = [0] * 30 + [1] * 9 + [2]
    candidates["score"] = 0.5
    candidates["expected_iou"][35] = 0.3
    candidates["expected_iou"][1] = 0.001  # shown as 0.00
    assert worst_of(candidates, made, 1) == [0, 30, 39, 1, 31, 2, 32, 3, 33, 4]


def test_the_worst_are_the_same_in_however_many_pieces_masks_pass(made: Artifact) -> None:
    rng = np.random.default_rng(0)
    candidates = np.zeros(300, WORST)
    candidates["point"] = rng.permutation(300)
    candidates["kind"] = rng.integers(0, 4, 300)
    candidates["score"] = rng.random(300)
    candidates["is_quiet"] = rng.random(300) < 0.5
    candidates["expected_iou"] = rng.integers(0, 8, 300) / 100
    at_once = worst_of(candidates, made, 1)
    assert worst_of(candidates, made, 7) == at_once == worst_of(candidates[::-1], made, 40)


def annotation_ids(record: Record) -> set[int]:
    return {obj.annotation_id for obj in record.objects}


def test_the_review_is_a_coco_file(audited: Artifact, made: Artifact) -> None:
    records = read_coco(made / REVIEW, "")
    weak = {record.image_id: record for record in Records.read(audited / WEAK_TRUTH)}
    assert records.categories == Records.read(audited / AUDIT).categories
    assert sum(len(record.objects) for record in records) == 10
    for record in records:
        known = weak[record.image_id]
        assert record.file == known.file
        assert annotation_ids(record) <= annotation_ids(known)


def test_a_page_shows_what_the_review_lists(made: Artifact) -> None:
    page = (made / REVIEW_PAGE).read_text()
    assert page.count('class="point" cx=') == 10 + 1  # the legend has one
    first = read(made, REVIEW)["annotations"][0]
    assert f"point {first['id']}" in page
    assert f"{first['expected_iou']:.2f}" in page


def test_a_finished_audit_is_kept_and_a_changed_one_refused(
    audited: Artifact, labels: Artifact, made: Artifact
) -> None:
    run = run_in(made.folder.parent)
    again = audit(run, audited, labels, SIGNALS, AuditConfig(review=10))
    assert again.manifest == made.manifest
    with pytest.raises(ValueError, match=r"audit.threshold = 0.5, now 0.7"):
        audit(run, audited, labels, SIGNALS, AuditConfig(review=10, threshold=0.7))


def test_neither_files_nor_their_order_matter(
    audited: Artifact, made: Artifact, tmp_path: Path
) -> None:
    rows = rows_of(audited)
    np.random.default_rng(0).shuffle(rows)
    labels = labels_of(rows, tmp_path / "labels")
    again = audit(run_in(tmp_path), audited, labels, SIGNALS, AuditConfig(review=10))
    for name in (CALIBRATION, FIGURES, REVIEW, REVIEW_PAGE):
        assert (again / name).read_bytes() == (made / name).read_bytes()


def test_without_audit_images_nothing_is_expected_and_nothing_fails(
    data: Artifact, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert not len(Records.read(data / AUDIT))
    rows = rows_of(data)
    labels = labels_of(rows, tmp_path / "labels")
    made = audit(run_in(tmp_path), data, labels, SIGNALS, AuditConfig())
    figures = read(made, FIGURES)
    assert figures["audit"]["num_objects"] == 0
    assert figures["reliability"] is None
    assert figures["weak"]["mean_expected_iou"] is figures["weak"]["share_below_threshold"] is None
    model = QualityModel.from_json(read(made, CALIBRATION))
    assert {each for row in rows[:-1] for each in model.expected_iou(row)} == {None}
    listed = read(made, REVIEW)["annotations"]
    assert all(entry["expected_iou"] is None for entry in listed)
    quiet = [not entry["flags"] for entry in listed]
    assert quiet == sorted(quiet)
    assert "no mask has an expected IoU" in (made / REVIEW_PAGE).read_text()
    assert "no audit images" in caplog.text


def test_no_review_is_an_empty_one(audited: Artifact, labels: Artifact, tmp_path: Path) -> None:
    made = audit(run_in(tmp_path), audited, labels, SIGNALS, AuditConfig(review=0))
    assert read(made, REVIEW)["annotations"] == []
    assert "There are no pseudo masks to show" in (made / REVIEW_PAGE).read_text()


def test_masks_of_other_classes_than_the_points_are_an_flag(
    audited: Artifact, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = rows_of(audited)
    for row in rows:
        for i, label in enumerate(row.get("label", [])):
            if label == 0 and row["source"] == "weak":
                row["refined"][i], row["area"][i] = None, 0
    labels = labels_of(rows, tmp_path / "labels")
    config = AuditConfig(threshold=0)
    made = audit(run_in(tmp_path), audited, labels, SIGNALS, config)
    weak = read(made, FIGURES)["weak"]
    assert weak["class_drift"] > 0.1
    assert weak["class_drift_flag"]
    assert "class drift" in caplog.text


@pytest.mark.parametrize(("rough", "refined", "warned"), [(52.4, 50.3, True), (65.0, 78.3, False)])
def test_a_refiner_that_hurts_is_worth_a_warning(
    rough: float, refined: float, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    audited = {"num_objects": 9, "rough_mIoU": rough, "mIoU": refined}
    masks = "rough" if warned else "refined"
    warn({"audit": audited, "weak": {"class_drift_flag": False}, "masks": masks})
    assert ("refined masks are worse than the rough ones" in caplog.text) == warned
