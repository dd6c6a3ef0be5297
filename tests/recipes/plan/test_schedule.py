import pytest

from ray_wssis.recipes.plan.decision import Decision, values_of
from ray_wssis.recipes.plan.networks import choose_widths
from ray_wssis.recipes.plan.schedule import (
    refiner_batch,
    refiner_training,
    round_steps,
    segmenter_batch,
    segmenter_training,
    untimed,
)
from ray_wssis.recipes.plan.sizes import NetworkSize
from tests.support.fingerprints import FOUND, GPU, TWO_CPUS

SIZE = NetworkSize(shorter=256, longest=320, why="")
WIDTHS = choose_widths(FOUND, SIZE, TWO_CPUS)
STEPS, BATCH = Decision(200, ""), Decision(8, "")


def test_small_images_come_in_larger_batches() -> None:
    tiny = NetworkSize(shorter=128, longest=128, why="")
    batches = [segmenter_batch(FOUND, size, TWO_CPUS).value for size in (SIZE, tiny)]
    assert batches == [8, 16]
    assert segmenter_batch(FOUND, SIZE, GPU).value == 16
    assert (refiner_batch(64).value, refiner_batch(96).value) == (32, 16)


def test_guesses_grow_with_the_time() -> None:
    assert [untimed(minutes).student.value for minutes in (1, 30, 60)] == [40, 500, 1000]
    assert untimed(60).teacher.why == "a guess for 60 min: no step was timed"


def test_a_schedule_follows_its_steps() -> None:
    teacher = values_of(
        segmenter_training(STEPS, BATCH, WIDTHS, FOUND, seconds=2.0, is_teacher=True)
    )
    assert teacher["early"] == [100, 150]
    assert (teacher["warmup_steps"], teacher["validate_every"]) == (20, 200)
    assert teacher["save_every"] == 22  # 45 s
    untimed = segmenter_training(STEPS, BATCH, WIDTHS, FOUND, seconds=None, is_teacher=False)
    assert values_of(untimed)["save_every"] == 25 and values_of(untimed)["early"] == []


def test_a_refiner_is_validated_on_as_many_objects_whatever_their_crowding() -> None:
    training = values_of(refiner_training(STEPS, BATCH, WIDTHS, FOUND, None))
    assert training["max_validation_images"] == 40  # of 10 objects each


@pytest.mark.parametrize(
    "number, rounded",
    [
        (7.9, 7),
        (19, 19),
        (21, 20),
        (99, 98),
        (137, 120),
        (555, 540),
        (1499, 1400),
        (12_345, 12_000),
    ],
)
def test_steps_are_round(number: float, rounded: int) -> None:
    assert round_steps(number) == rounded
