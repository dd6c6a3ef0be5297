"""PointWSSIS on masks, points and images without any label: a handful of shapes, without Ray."""

import json
from pathlib import Path

import pytest

from ray_wssis.artifacts import Artifact
from ray_wssis.config import load_config
from ray_wssis.data.records import Records
from ray_wssis.instance.merge import MERGED
from ray_wssis.instance.split import ALL, AUDIT, STRONG, UNLABELLED, UNLABELLED_TRUTH, WEAK
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.run import ROWS
from ray_wssis.streaming.table import read_rows
from tests.recipes.test_configs_run import NARROW
from tests.recipes.test_configs_run import SMALL as FEW_STEPS
from tests.support.in_process import stream_here, train_here
from tests.support.made import make

pytestmark = pytest.mark.slow

DATA = [
    "data.shapes={num_images: 10, num_validation_images: 2, size: 64}",
    "data.percent=40",
    "data.unlabelled_percent=30",
    "data.audit=0.5",
]
EVERYTHING = [  # a network that has learnt nothing is sure of nothing
    "proposals={use: always, class_score: 0, expected_iou: 0, precision: 0, mean_iou: 0}",
    "teacher.model.inference={min_class_score: 0, min_score: 0}",
    "estimate=false",
    "rounds=1",
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    return carried_out(tmp_path_factory.mktemp("unlabelled"))


def carried_out(folder: Path, *changes: str) -> dict[str, Artifact]:
    values = [*FEW_STEPS, *NARROW, *DATA, *EVERYTHING, *changes]
    config = load_config(PointWSSISConfig, "unlabelled_shapes", values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ray_wssis.training.run.train", train_here)
        patch.setattr("ray_wssis.streaming.stream.stream", stream_here)
        made = make(config, folder)
    assert list(made) == config.stages()
    return made


def ids(made: dict[str, Artifact], part: str, stage: str = "split") -> set[int]:
    return {record.image_id for record in Records.read(made[stage] / part)}


def test_every_image_is_in_one_part(made: dict[str, Artifact]) -> None:
    parts = [ids(made, part) for part in (STRONG, WEAK, UNLABELLED)]
    assert [len(part) for part in parts] == [4, 3, 3]
    assert set.union(*parts) == ids(made, ALL) and len(ids(made, ALL)) == 10


def test_unlabelled_images_say_nothing(made: dict[str, Artifact]) -> None:
    records = Records.read(made["split"] / UNLABELLED)
    assert not any(record.objects or record.annotated or record.tags for record in records)
    truth = Records.read(made["split"] / UNLABELLED_TRUTH)
    assert all(record.objects for record in truth)
    assert [x.image_id for x in truth] == [x.image_id for x in records]


def test_objects_are_proposed_where_nobody_pointed(made: dict[str, Artifact]) -> None:
    rows = read_rows(made["proposals"] / ROWS)
    assert {row["image_id"] for row in rows} == ids(made, UNLABELLED) | ids(made, AUDIT)
    assert not any(row["error"] for row in rows)
    for row in rows:
        numbers = list(range(1, len(row["label"]) + 1))
        assert row["annotation_id"] == numbers
        assert all(0 <= x <= row["width"] and 0 <= y <= row["height"] for x, y in points(row))


def points(row: dict[str, list[float]]) -> list[tuple[float, float]]:
    return list(zip(row["x"], row["y"], strict=True))


def test_the_student_learns_from_all_three_kinds(made: dict[str, Artifact]) -> None:
    learnt = ids(made, MERGED, "merged")
    assert learnt >= ids(made, STRONG) and learnt & ids(made, WEAK)
    assert learnt & ids(made, UNLABELLED)
    numbers = [
        obj.annotation_id
        for record in Records.read(made["merged"] / MERGED)
        for obj in record.objects
    ]
    assert len(numbers) == len(set(numbers))


def test_what_was_proposed_is_counted_and_measured(made: dict[str, Artifact]) -> None:
    figures = json.loads((made["proposals_audit"] / "proposals.json").read_text())
    assert figures["are_used"] and figures["num_images"] == 3
    assert sum(own["num_learnt"] for own in figures["classes"]) > 0
    measured = json.loads((made["evaluation"] / "metrics.json").read_text())
    assert "proposed/precision" in measured
    assert 'id="proposals"' in (made["report"] / "index.html").read_text()


def test_without_any_point_proposals_are_learnt(tmp_path: Path) -> None:
    made = carried_out(tmp_path, "data.unlabelled_percent=60")
    assert [len(ids(made, part)) for part in (STRONG, WEAK, UNLABELLED)] == [4, 0, 6]
    learnt = ids(made, MERGED, "merged")
    assert learnt >= ids(made, STRONG) and learnt & ids(made, UNLABELLED)
    measured = json.loads((made["evaluation"] / "metrics.json").read_text())
    assert measured["student/val/AP"] >= 0 and "proposed/precision" in measured
