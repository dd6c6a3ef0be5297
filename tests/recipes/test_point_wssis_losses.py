from pathlib import Path

import pytest

from ray_wssis.config import load_config
from ray_wssis.instance.fingerprint.measured import measure
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.recipes.point_wssis_losses import complaints, losses, warn_of_lost_objects
from ray_wssis.run import Run
from tests.support.made import make
from tests.support.squares import image_of, records_of

FEW = ["data.shapes={num_images: 12, num_validation_images: 4, size: 64}", "data.percent=50"]
MANY = "inference.max_instances=1"


def config(*changes: str) -> PointWSSISConfig:
    return load_config(PointWSSISConfig, "shapes", [*FEW, *changes])


def test_what_is_lost_is_said_with_the_network() -> None:
    measured = measure(records_of(image_of(1, [(0, 0, 10), (50, 50, 10)])), records_of())
    chosen = config("teacher.model.inference.max_instances=1")
    said = complaints(losses(measured, chosen))
    assert [line for line in said if "inference" in line] == [
        "teacher: 1 of 2 objects are in images that show more than the 1 of an answer; raise "
        "inference.max_instances"
    ]
    assert not losses(measured, config("teacher.ready=a", "refiner.ready=b", "student.ready=c"))


def test_a_run_says_so_before_anything_is_trained(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = config(f"student.model.{MANY}")
    data = make(chosen, tmp_path, "split")["split"]
    warn_of_lost_objects(Run(chosen, tmp_path), chosen, data)
    assert any(line.startswith("student: ") for line in caplog.messages)
    caplog.clear()
    (tmp_path / "teacher").mkdir()
    (tmp_path / "teacher/started.json").write_text("{}")
    warn_of_lost_objects(Run(chosen, tmp_path), chosen, data)
    assert not caplog.records
