"""What becomes of true masks, pseudo masks, points without one, and what people corrected."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from upath import UPath

from ray_wssis.artifacts import Artifact, Workspace, open_stage
from ray_wssis.data.coco.read import read_coco
from ray_wssis.data.records import Record, Records
from ray_wssis.instance.audit import CALIBRATION, audit, read_quality
from ray_wssis.instance.label_config import AuditConfig, MergeConfig
from ray_wssis.instance.merge import MERGED, merge
from ray_wssis.instance.merging import Merging
from ray_wssis.instance.quality import QualityModel
from ray_wssis.instance.split import AUDIT, STRONG, WEAK, WEAK_TRUTH, split
from ray_wssis.instance.split_config import DataConfig, ShapesConfig
from ray_wssis.masks import encode
from ray_wssis.methods.point_wssis.labeller import PointLabeller
from ray_wssis.streaming.table import RowsById
from tests.support.drawn_labels import failed_row, label_row, write_rows
from tests.support.run_in import run_in

LINEAGE = {"teacher": "aaaa", "refiner": "bbbb"}
SHAPES = ShapesConfig(num_images=24, num_validation_images=2, size=96)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    run = run_in(tmp_path_factory.mktemp("data"))
    return split(run, DataConfig(shapes=SHAPES, percent=50, audit=0.5))


@pytest.fixture(scope="module")
def weak(data: Artifact) -> list[Record]:
    return list(Records.read(data / WEAK_TRUTH))


@pytest.fixture(scope="module")
def rows(data: Artifact, weak: list[Record]) -> list[dict[str, Any]]:
    """The first weak image failed."""
    known = [label_row(record, "audit") for record in Records.read(data / AUDIT)]
    return [*known, failed_row(weak[0], "cut short"), *map(label_row, weak[1:])]


@pytest.fixture(scope="module")
def labels(rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    stage = open_stage(UPath(tmp_path_factory.mktemp("labels") / "labels"), {})
    assert isinstance(stage, Workspace)
    write_rows(rows, stage / "rows/a.parquet")
    return stage.finish(logs=["rows"])


@pytest.fixture(scope="module")
def judged(data: Artifact, labels: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    run = run_in(tmp_path_factory.mktemp("audit"))
    return audit(run, data, labels, PointLabeller.signals, AuditConfig())


class Merge:
    """Merges what the fixtures made, each time into a folder of its own."""

    def __init__(self, data: Artifact, labels: Artifact, judged: Artifact, folder: Path) -> None:
        self.data, self.labels, self.judged, self.folder = data, labels, judged, folder
        self.times = 0

    def __call__(
        self,
        below: Literal["auto", "keep", "ignore", "drop"] = "ignore",
        threshold: float = 0.5,
        corrections: list[str] | None = None,
    ) -> Artifact:
        self.times += 1
        run = run_in(self.folder / f"{self.times}")
        judged = self.judged
        if threshold != 0.5:
            signals = PointLabeller.signals
            judged = audit(run, self.data, self.labels, signals, AuditConfig(threshold=threshold))
        config = MergeConfig(below=below, corrections=tuple(corrections or ()))
        return merge(run, self.data, self.labels, judged, LINEAGE, "shapes_50p", config)


@pytest.fixture
def merging(data: Artifact, labels: Artifact, judged: Artifact, tmp_path: Path) -> Merge:
    return Merge(data, labels, judged, tmp_path)


def by_id(made: Artifact) -> dict[int, Record]:
    return {record.image_id: record for record in Records.read(made / MERGED)}


def annotations(made: Artifact, name: str = "shapes_50p_sw_refined.json") -> dict[int, Any]:
    file = json.loads((made / name).read_text())
    return {entry["id"]: entry for entry in file["annotations"]}


def expected(judged: Artifact, rows: list[dict[str, Any]]) -> dict[int, float | None]:
    """Expected IoU of every weak point."""
    model = QualityModel.from_json(json.loads((judged / CALIBRATION).read_text()))
    return {
        annotation: value
        for row in rows
        if row["source"] == "weak" and row["error"] is None
        for annotation, value in zip(row["annotation_id"], model.expected_iou(row), strict=True)
    }


def test_strong_images_are_as_they_were_and_failed_ones_left_out(
    merging: Merge, data: Artifact, weak: list[Record]
) -> None:
    merged = by_id(merging())
    strong = list(Records.read(data / STRONG))
    assert all(merged[record.image_id] == record for record in strong)
    assert merged.keys() == {record.image_id for record in [*strong, *weak[1:]]}


def test_no_point_of_a_labelled_image_is_background(merging: Merge, weak: list[Record]) -> None:
    merged = by_id(merging())
    for record in weak[1:]:
        same = zip(merged[record.image_id].objects, record.objects, strict=True)
        for obj, wanted in same:
            assert (obj.annotation_id, obj.label) == (wanted.annotation_id, wanted.label)


def test_masks_below_the_threshold_are_ignore_regions(
    merging: Merge, judged: Artifact, rows: list[dict[str, Any]]
) -> None:
    values = expected(judged, rows)
    known = sorted(value for value in values.values() if value is not None)
    threshold = known[len(known) // 3]
    drawn = annotations(merging(threshold=threshold))
    regions = {number for number in values if drawn[number]["iscrowd"]}
    assert regions == {n for n, value in values.items() if value is None or value < threshold}
    assert len(known) // 4 < len(regions) < len(known)
    for number, value in values.items():
        if value is not None:
            assert drawn[number]["expected_iou"] == round(value, 4)


def test_auto_ignores_only_masks_whose_whole_interval_is_below(
    merging: Merge, judged: Artifact, rows: list[dict[str, Any]]
) -> None:
    model = QualityModel.from_json(json.loads((judged / CALIBRATION).read_text()))
    weak = [row for row in rows if row["source"] == "weak" and row["error"] is None]
    numbers = [number for row in weak for number in row["annotation_id"]]
    highest, likely = model.highest_ious(weak), model.expected_ious(weak)
    threshold = float(np.nanmedian(highest)) + 1e-6  # is nobody's own value
    drawn = annotations(merging("auto", threshold=threshold))
    regions = {number for number in numbers if drawn[number]["iscrowd"]}
    surely = (highest < threshold) | np.isnan(highest)
    assert regions == {n for n, poor in zip(numbers, surely, strict=True) if poor}
    assert surely.sum() < (likely < threshold).sum() + np.isnan(likely).sum()


def test_a_point_without_a_mask_is_surrounded_by_an_ignore_region(
    merging: Merge, rows: list[dict[str, Any]], data: Artifact
) -> None:
    drawn = annotations(merging(threshold=0))
    lacking = [
        (row["annotation_id"][i], row["x"][i], row["y"][i])
        for row in rows
        if row["source"] == "weak" and row["error"] is None
        for i, mask in enumerate(row["refined"])
        if mask is None
    ]
    assert lacking
    for number, x, y in lacking:
        entry = drawn[number]
        left, top, width, height = entry["bbox"]
        assert entry["iscrowd"] == 1 and left <= x <= left + width and top <= y <= top + height
        assert 50 < entry["area"] < 96 * 96 / 2
    assert sum(entry["iscrowd"] for entry in drawn.values()) == len(lacking)


def test_kept_and_dropped_masks(
    merging: Merge, judged: Artifact, rows: list[dict[str, Any]]
) -> None:
    values = expected(judged, rows)
    good = {number for number, value in values.items() if value is not None and value >= 0.7}
    drawn = {number for number, value in values.items() if value is not None}
    assert 0 < len(good) < len(drawn)
    dropped = annotations(merging("drop", threshold=0.7))
    assert good == values.keys() & dropped.keys()
    kept = annotations(merging("keep", threshold=0.7))
    assert drawn == {number for number in values if not kept[number]["iscrowd"]}


def test_every_pseudo_mask_says_where_it_comes_from(
    merging: Merge, rows: list[dict[str, Any]], data: Artifact
) -> None:
    made = merging()
    drawn = annotations(made)
    lineage = {**LINEAGE, "labels": merging.labels.digest[:12]}
    for row in rows:
        if row["source"] == "weak" and row["error"] is None:
            for number, level in zip(row["annotation_id"], row["level"], strict=True):
                assert drawn[number]["pseudo"] == lineage | {"point_id": number, "level": level}
    for record in Records.read(data / STRONG):
        assert not any("pseudo" in drawn[obj.annotation_id] for obj in record.objects)


def test_rough_masks_go_unjudged_to_a_file_of_their_own(
    merging: Merge, rows: list[dict[str, Any]]
) -> None:
    drawn = annotations(merging(), "shapes_50p_sw.json")
    for row in rows:
        if row["source"] == "weak" and row["error"] is None:
            for number, mask in zip(row["annotation_id"], row["rough"], strict=True):
                assert (number in drawn) == (mask is not None)
                if mask is not None:
                    assert drawn[number]["segmentation"]["counts"] == mask.decode()
                    assert not drawn[number]["iscrowd"]


def test_the_coco_file_holds_what_the_student_learns(merging: Merge) -> None:
    made = merging()
    learnt = Records.read(made / MERGED)
    read = read_coco(made / "shapes_50p_sw_refined.json", "")
    assert read.categories == learnt.categories
    assert {r.image_id: r for r in read} == {r.image_id: r for r in learnt}


def test_what_a_person_corrected_wins(
    merging: Merge, data: Artifact, weak: list[Record], tmp_path: Path
) -> None:
    record, categories = weak[3], Records.read(data / STRONG).categories
    square = np.zeros((96, 96), dtype=bool)
    square[10:30, 40:60] = True
    mine = encode(square)
    drawn = {
        "image_id": record.image_id,
        "category_id": categories[2].id,
        "segmentation": {"size": [96, 96], "counts": mine.decode()},
    }
    # The second is an object nobody pointed at.
    numbers = (record.objects[0].annotation_id, 999_999)
    file = {
        "images": [{"id": record.image_id, "file_name": record.file, "width": 96, "height": 96}],
        "categories": [vars(category) for category in categories],
        "annotations": [drawn | {"id": number} for number in numbers],
    }
    (tmp_path / "mine.json").write_text(json.dumps(file))
    made = merging(threshold=1, corrections=[str(tmp_path / "mine.json")])
    merged = by_id(made)[record.image_id]
    for number in numbers:
        (obj,) = (obj for obj in merged.objects if obj.annotation_id == number)
        assert (obj.mask, obj.label) == (mine, 2)
        assert not obj.crowd
        entry = annotations(made)[number]
        assert entry["corrected"] is True and not {"pseudo", "expected_iou"} & entry.keys()


def test_an_object_under_a_new_id_is_not_learnt_twice(
    merging: Merge, data: Artifact, weak: list[Record], tmp_path: Path, caplog: Any
) -> None:
    before = by_id(merging(threshold=0))[weak[3].image_id]
    categories = Records.read(data / STRONG).categories
    first = before.objects[0]
    assert first.mask is not None
    again = {
        "id": 999_999,
        "image_id": before.image_id,
        "category_id": categories[first.label].id,
        "segmentation": {"size": [96, 96], "counts": first.mask.decode()},
    }
    file = {"images": [], "categories": [], "annotations": [again]}
    (tmp_path / "again.json").write_text(json.dumps(file))
    made = merging(threshold=0, corrections=[str(tmp_path / "again.json")])
    assert by_id(made)[before.image_id] == before
    assert "1 added objects lie on objects of their class" in caplog.text


def test_the_same_rows_in_other_shards_make_the_same_bytes(
    merging: Merge, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    made = merging()
    stage = open_stage(UPath(tmp_path / "labels"), {})
    assert isinstance(stage, Workspace)
    for place, row in enumerate(reversed(rows)):
        write_rows([row], stage / f"rows/{place % 5}-{place}.parquet")
    merging.labels = stage.finish(logs=["rows"])
    again = merging()
    for name in (MERGED, "shapes_50p_sw.json", "shapes_50p_sw_refined.json"):
        assert (made / name).read_bytes() == (again / name).read_bytes()


def test_the_masks_that_the_audit_found_better_are_learnt(
    data: Artifact, labels: Artifact, judged: Artifact, rows: list[dict[str, Any]]
) -> None:
    weak = Records.read(data / WEAK)
    for masks in ("rough", "refined"):
        merging = Merging(
            rows=RowsById(labels / "rows", "weak"),
            model=replace(read_quality(judged), masks=masks),
            threshold=0,
            below="drop",
            corrections={},
            lineage=LINEAGE,
            incomplete=set(),
        )
        learnt = {merged.record.image_id: merged.record for merged in merging.refined(weak)}
        drawn = [row for row in rows if row["source"] == "weak" and row["error"] is None]
        assert drawn
        for row in drawn:
            kept = [mask for mask in row[masks] if mask is not None]
            assert [obj.mask for obj in learnt[row["image_id"]].objects] == kept
