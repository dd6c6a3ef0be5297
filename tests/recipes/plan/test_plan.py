from itertools import pairwise
from pathlib import Path

import pytest
from upath import UPath

from ray_wssis.config import ConfigError, load_config
from ray_wssis.recipes.plan import plan as planning
from ray_wssis.recipes.plan.machine import Machine
from ray_wssis.recipes.plan.plan import make_plan
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.training.timing import Timing

FEW = "data.shapes={num_images: 20, num_validation_images: 4, size: 64}"
TIMINGS = {"teacher": Timing(0.1, 0.01), "refiner": Timing(0.05, 0.01)}


def planned(folder: Path, *overrides: str, timed: bool = False) -> planning.Plan:
    given = [FEW, "data.percent=25", *overrides]
    return make_plan(given, 30, UPath(folder), Machine(cpus=2), timed=timed)


def test_a_plan_is_a_configuration_that_says_why(tmp_path: Path) -> None:
    text = planned(tmp_path / "a").to_yaml()
    assert text == planned(tmp_path / "b").to_yaml()
    (tmp_path / "mine.yaml").write_text(text)
    config = load_config(PointWSSISConfig, tmp_path / "mine.yaml")
    assert config.data.percent == 25 and config.student.start == "teacher"
    for above, line in pairwise(text.splitlines()):
        if ": " in line:  # a value
            assert "#" in line or above.lstrip().startswith("#"), line
    assert "# images with masks, with points: 5, 15" in text


def test_the_students_network_is_the_teachers(tmp_path: Path) -> None:
    config = planned(tmp_path).config
    assert config.student.model.network == config.teacher.model.network
    assert config.student.model.sides == config.teacher.model.sides


def test_other_values_may_be_set(tmp_path: Path) -> None:
    text = planned(tmp_path, "teacher.training.steps=600", "seed=3").to_yaml()
    assert "    steps: 600  # as given" in text
    assert "seed: 3  # of the split and the trainings" in text
    assert "early: [300, 450]" in text and "warmup_steps: 60" in text  # what follows from it


def test_timed_steps_decide_the_schedule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "time_stages", lambda *_: TIMINGS)
    plan = planned(tmp_path, timed=True)
    assert plan.minutes is not None and plan.minutes <= 30
    assert plan.config.teacher.training.steps == 400
    assert "400  # 1600 passes over 4 images: more would not help" in plan.to_yaml()


def test_what_cannot_be_timed_is_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> dict[str, Timing]:
        raise RuntimeError("no Ray here")

    monkeypatch.setattr(planning, "time_stages", fail)
    plan = planned(tmp_path, timed=True)
    assert plan.minutes is None and plan.config.teacher.training.steps == 400


def test_without_data_there_is_nothing_to_plan(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name a data set, with --set"):
        make_plan(["seed=1"], 30, UPath(tmp_path), Machine(cpus=2))


@pytest.mark.parametrize("given", ["data.folder={images: a}", "data.tags=a.csv"])
def test_class_maps_are_sent_to_a_configuration(given: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="as `wssis config dump lpl_shapes` prints it"):
        make_plan([given], 30, UPath(tmp_path), Machine(cpus=2))
    with pytest.raises(ConfigError, match="For class maps, begin with a configuration"):
        make_plan([FEW, "recipe=lpl"], 30, UPath(tmp_path), Machine(cpus=2))
