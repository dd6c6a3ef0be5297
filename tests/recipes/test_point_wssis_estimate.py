import logging
from pathlib import Path

import pytest

from ray_wssis.config import load_config
from ray_wssis.instance.split import AUDIT, TAUGHT, VALIDATION, WEAK
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.recipes.point_wssis_estimate import seconds
from ray_wssis.training.timing import Timing
from tests.support.in_process import train_here
from tests.support.made import make
from tests.support.small_run import SMALL

NUMBER = {TAUGHT: 30, AUDIT: 10, WEAK: 90, VALIDATION: 20}
TIMINGS = {"teacher": Timing(2.0, 0.1), "refiner": Timing(0.5, 0.01), "student": Timing(1.0, 0.2)}


def config(*changes: str) -> PointWSSISConfig:
    steps = [f"{name}.training.steps=100" for name in ("teacher", "refiner", "student")]
    early = "teacher.training.early=[50, 70]"
    return load_config(PointWSSISConfig, "shapes", [*steps, early, *changes])


def test_steps_validations_and_images_add_up() -> None:
    assert seconds(config(), NUMBER, TIMINGS) == pytest.approx(
        {
            "teacher": 10 + 100 * 2.0 + 20 * 0.1,
            "rough_masks": 10 + (2 * 30 + 20) * 0.2,
            "refiner": 10 + 100 * 0.5 + 20 * 0.01,
            "labels": 10 + (90 + 10) * (0.2 + 0.01),
            "student": 10 + 100 * 1.0 + 20 * 0.2,
            "evaluation": 10 + 2 * 20 * 0.2,
        }
    )


def test_an_upper_bound_takes_as_long_as_a_student() -> None:
    took = seconds(config("upper_bound=true"), NUMBER, TIMINGS)
    assert took["upper_bound"] == took["student"]
    assert took["evaluation"] == pytest.approx(10 + 3 * 20 * 0.2)


def test_an_earlier_round_takes_as_long_as_the_last_one_and_a_verdict() -> None:
    took, once = seconds(config("rounds=3"), NUMBER, TIMINGS), seconds(config(), NUMBER, TIMINGS)
    for number in (1, 2):
        assert took[f"round_{number}_labels"] == took["labels"] == once["labels"]
        assert took[f"round_{number}_student"] == took["student"] == once["student"]
        assert took[f"round_{number}_verdict"] == pytest.approx(10 + 10 * (0.2 + 0.01))
    assert took["evaluation"] == pytest.approx(10 + 4 * 20 * 0.2)


def test_every_validation_counts() -> None:
    often = config("teacher.training.validate_every=30", "teacher.training.max_validation_images=5")
    assert seconds(often, NUMBER, TIMINGS)["teacher"] == pytest.approx(10 + 200 + 4 * 5 * 0.1)


@pytest.mark.slow
def test_a_run_says_how_long_it_will_take(
    tmp_path: Path,
    ray_session: None,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ray_wssis.training.run.train", train_here)  # after it was estimated
    caplog.set_level(logging.INFO, logger="ray_wssis")
    few = [f"{stage}.training.batch_size=2" for stage in ("teacher", "refiner", "student")]
    changes = [*SMALL, *few, "teacher.training.steps=4", "estimate=true"]
    make(load_config(PointWSSISConfig, "shapes", changes), tmp_path, "teacher")
    (record,) = [record for record in caplog.records if hasattr(record, "estimated_seconds")]
    stages = ["teacher", "rough_masks", "refiner", "labels", "student", "evaluation"]
    assert list(record.estimated_seconds) == stages
    assert all(taken > 10 for taken in record.estimated_seconds.values())
    assert record.message.startswith("The run will take about ")
    assert {folder.name for folder in tmp_path.iterdir() if folder.is_dir()} == {"split", "teacher"}
