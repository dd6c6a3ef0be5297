from pathlib import Path

import pytest
from upath import UPath
from wssis_serve.engines.models import find_models, metrics_of
from wssis_serve.segmented import Kind

from ray_wssis.artifacts import Workspace, open_stage
from ray_wssis.instance.segmenter_config import KIND as SEGMENTER
from ray_wssis.models.model_folder import copy_model, hash_model
from ray_wssis.semantic.segmenter_config import KIND as SEMANTIC
from ray_wssis.storage import write_json


def test_a_run_is_served_whole(run_folder: Path) -> None:
    found = find_models(run_folder)
    assert found.student == str(run_folder / "student/model")
    assert found.teacher == str(run_folder / "teacher/model")
    assert found.refiner == str(run_folder / "refiner/model")
    assert found.calibration == str(run_folder / "audit/calibration.json")
    assert metrics_of(found, "student/") == {"val/AP": 12.5}


def test_a_model_folder_is_served_as_a_student_alone(run_folder: Path) -> None:
    for folder in (run_folder / "student", run_folder / "student/model"):
        found = find_models(folder)
        assert found.student == str(run_folder / "student/model")
        assert (found.teacher, found.refiner, found.calibration) == (None, None, None)
        assert metrics_of(found, "student/") is None


def test_a_folder_without_a_student_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a model folder"):
        find_models(tmp_path)


def test_a_network_of_another_kind_is_not_served(run_folder: Path) -> None:
    with pytest.raises(ValueError, match="holds a refiner; only a segmenter or a semantic"):
        find_models(run_folder / "refiner")


def test_kinds_are_those_that_networks_are_saved_with(run_folder: Path, semantic_run: Path) -> None:
    assert find_models(run_folder).kind == Kind.SEGMENTER == SEGMENTER
    assert find_models(semantic_run).kind == Kind.SEMANTIC == SEMANTIC


def test_a_semantic_run_is_its_student(semantic_run: Path) -> None:
    found = find_models(semantic_run)
    assert found.student == str(semantic_run / "student/model")
    assert (found.teacher, found.refiner, found.calibration) == (None, None, None)
    assert metrics_of(found, "student/") == {"val/mIoU": 50.0}


def test_the_only_network_of_a_run_without_a_student_is_served(
    semantic_run: Path, tmp_path: Path
) -> None:
    copy_model(UPath(semantic_run / "student/model"), UPath(tmp_path / "agmm/model"))
    write_json(UPath(tmp_path / "metrics.json"), {"agmm/val/mIoU": 60.0})
    found = find_models(tmp_path)
    assert found.student == str(tmp_path / "agmm/model")
    assert metrics_of(found, f"{found.stage}/") == {"val/mIoU": 60.0}


def test_a_model_has_the_hash_that_its_stage_gave_it(run_folder: Path, tmp_path: Path) -> None:
    stage = open_stage(tmp_path / "student", {})
    assert isinstance(stage, Workspace)
    copy_model(UPath(run_folder / "student/model"), stage / "model")
    made = stage.finish()
    assert hash_model(made / "model") == made.hash_of("model")
    assert hash_model(made / "model") == hash_model(UPath(run_folder / "student/model"))
