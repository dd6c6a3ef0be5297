"""The whole method on a handful of shapes: every stage real, a minute in all."""

import json

import pytest

from ray_wssis.artifacts import StaleArtifact
from ray_wssis.config import load_config
from ray_wssis.data.coco import load_json
from ray_wssis.data.records import Records
from ray_wssis.recipes.point_wssis import PointWSSIS, PointWSSISConfig

pytestmark = pytest.mark.slow

TINY = [
    "data.shapes.num_images=16",
    "data.shapes.num_validation_images=4",
    "data.percent=25",
    "teacher.training.steps=4",
    "teacher.training.batch_size=4",
    "teacher.training.early=[2, 3]",
    "refiner.training.steps=2",
    "refiner.training.batch_size=4",
    "student.training.steps=2",
    "student.training.batch_size=4",
]


def config(*changes: str) -> PointWSSISConfig:
    return load_config(PointWSSISConfig, "shapes", [*TINY, *changes])


@pytest.fixture(scope="module")
def run(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> PointWSSIS:
    run = PointWSSIS(config(), tmp_path_factory.mktemp("run"))
    assert run.report.manifest["outputs"]
    return run


def test_every_stage_leaves_what_the_next_one_needs(run: PointWSSIS) -> None:
    for model in ("model", "best", "early_1", "early_2"):
        assert (run.out / "teacher" / model / "model.safetensors").exists()
    page = (run.out / "report" / "index.html").read_text()
    assert "<html" in page
    figures = json.loads((run.out / "metrics.json").read_text())
    assert {"teacher/val/AP", "student/val/AP", "pseudo/refined/mIoU"} <= set(figures)


def test_no_point_is_lost_between_the_split_and_the_labels(run: PointWSSIS) -> None:
    weak = Records.read(run.data / "weak.parquet")
    summary = json.loads((run.labels / "summary.json").read_text())
    assert summary["num_points"] == sum(len(record.labels) for record in weak)
    assert summary["num_images"] == len(weak)


def test_the_training_set_holds_strong_and_weak_pictures(run: PointWSSIS) -> None:
    merged = load_json(run.merged / "shapes_25p_sw_refined.json")
    strong = Records.read(run.data / "strong.parquet")
    assert len(merged["images"]) > len(strong)
    assert all("segmentation" in annotation for annotation in merged["annotations"])


def test_a_finished_run_is_not_made_again(run: PointWSSIS) -> None:
    again = PointWSSIS(config(), run.out)
    assert again.report.manifest == run.report.manifest


def test_another_configuration_is_refused_and_named(run: PointWSSIS) -> None:
    changed = PointWSSIS(config("student.training.steps=3"), run.out)
    with pytest.raises(StaleArtifact, match=r"training\.steps = 2, now 3.*--redo"):
        _ = changed.student
    resolved = (run.out / "config.resolved.yaml").read_text()
    assert "steps: 3" not in resolved
