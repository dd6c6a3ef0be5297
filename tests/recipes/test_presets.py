"""What a preset makes of every configuration that comes with the package."""

import logging
from functools import cache

import pytest

from ray_wssis.config import shipped_configs
from ray_wssis.recipes.catalogue import load_recipe
from ray_wssis.recipes.presets import fast
from ray_wssis.run_config import RunConfig
from ray_wssis.training.config import TrainingConfig

each_config = pytest.mark.parametrize("name", sorted(shipped_configs()))


@cache
def config(name: str, *changes: str) -> RunConfig:
    return load_recipe(name, changes)


@cache
def fast_config(name: str, *changes: str) -> RunConfig:
    return load_recipe(name, changes, fast)


def stages(loaded: RunConfig) -> list[str]:
    return [name for name, stage in loaded if hasattr(stage, "training")]


def trainings(loaded: RunConfig) -> list[TrainingConfig]:
    return [getattr(loaded, name).training for name in stages(loaded)]


@each_config
def test_fast_takes_less_than_a_tenth_of_the_steps(name: str) -> None:
    whole, short = trainings(config(name)), trainings(fast_config(name))
    for before, after in zip(whole, short, strict=True):
        assert after.steps <= before.steps / 10
        assert len(after.early) == len(before.early)
        assert len(after.drops) == len(before.drops)
        assert after.warmup_steps < after.steps
        assert all(0 < step < after.steps for step in (*after.drops, *after.early))


@each_config
def test_fast_validates_as_often_or_less(name: str) -> None:
    whole, short = trainings(config(name)), trainings(fast_config(name))
    for before, after in zip(whole, short, strict=True):
        assert after.steps // after.validate_every <= before.steps // before.validate_every
        assert after.validate_every <= after.steps


@each_config
def test_fast_changes_nothing_but_the_schedules(name: str) -> None:
    whole, short = config(name).model_dump(), fast_config(name).model_dump()
    for stage in stages(config(name)):
        before, after = whole[stage].pop("training"), short[stage].pop("training")
        kept = {"batch_size", "learning_rate", "optimizer", "weight_decay", "schedule"}
        assert {key: before[key] for key in kept} == {key: after[key] for key in kept}
    assert whole == short


def test_the_fast_schedule_of_coco_with_1_percent() -> None:
    teacher, refiner, student = trainings(fast_config("coco_1p"))
    assert (teacher.steps, teacher.warmup_steps) == (834, 250)
    assert (teacher.drops, teacher.early) == ((416, 666), (416, 833))
    assert (teacher.save_every, teacher.validate_every) == (417, 417)
    assert (refiner.steps, refiner.warmup_steps) == (16_667, 166)
    assert (student.steps, student.drops) == (22_500, (17_500, 20_833))


def test_what_is_set_comes_after_the_preset() -> None:
    teacher = trainings(fast_config("coco_1p", "teacher.training.steps=900"))[0]
    assert (teacher.steps, teacher.early) == (900, (416, 833))


def test_a_preset_and_another_batch_size_go_together() -> None:
    teacher = trainings(fast_config("coco_1p", "teacher.training.batch_size=8"))[0]
    assert (teacher.steps, teacher.early) == (2 * 834, (2 * 416, 2 * 833))
    assert teacher.learning_rate == pytest.approx(0.025)


def test_fast_says_what_it_does_and_what_it_gives_up(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="ray_wssis")
    load_recipe("coco_1p", preset=fast)
    (line,) = caplog.messages
    assert "teacher 10001 -> 834, refiner 200000 -> 16667, student 270000 -> 22500" in line
    assert "gives up accuracy" in line
