"""Batches of processes and of actors are those of a plain loop."""

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray

from ray_wssis.training.feeding import batches_from_actors, batches_from_processes
from ray_wssis.training.streams import SeededSamples, StepSampler
from tests.support.line_task import Line, Points

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # actors cannot import tests
SAMPLER = StepSampler(np.zeros(10, dtype=bool), 4, 0, range(1, 13), 0, 1)
Values = list[tuple[list[int], list[list[float]]]]


def values(batches: Any) -> Values:
    return [(batch.image_ids, batch.values.tolist()) for batch in batches]


@pytest.fixture
def task(tmp_path: Path) -> Line:
    return Line(tmp_path / "marker")


@pytest.fixture
def expected(task: Line) -> Values:
    samples = SeededSamples(task.load(), SAMPLER.seed)
    return values(task.collate([samples[key] for key in keys]) for keys in SAMPLER)


@pytest.mark.parametrize("number", [0, 2])
def test_processes_make_the_batches_of_a_loop(task: Line, expected: Values, number: int) -> None:
    made = batches_from_processes(task.load(), task.collate, SAMPLER, number, pin_memory=False)
    assert values(made) == expected


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize("number", [1, 3])
def test_actors_make_the_batches_of_a_loop(task: Line, expected: Values, number: int) -> None:
    assert values(batches_from_actors(task, SAMPLER, number, pin_memory=False)) == expected


@dataclass(frozen=True)
class Deadly(Points):
    """The process that draws sample 3 is killed, once."""

    marker: Path

    def sample(self, index: int, rng: np.random.Generator) -> Any:
        if index == 3 and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().sample(index, rng)


class DeadlyLine(Line):
    def load(self) -> Points:
        return Deadly(10, None, self.marker)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
def test_an_actor_that_dies_is_made_up_for(task: Line, expected: Values) -> None:
    made = batches_from_actors(DeadlyLine(task.marker), SAMPLER, 2, pin_memory=False)
    assert values(made) == expected
    assert task.marker.exists()


@pytest.mark.parametrize("number", [0, 2])
def test_a_bad_picture_is_named_by_a_process(tmp_path: Path, number: int) -> None:
    task = Line(tmp_path / "marker", bad=3)
    made = batches_from_processes(task.load(), task.collate, SAMPLER, number, pin_memory=False)
    with pytest.raises(ValueError, match=r"^pictures/3\.png is cut short$"):
        list(made)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
def test_a_bad_picture_is_named_by_an_actor(tmp_path: Path) -> None:
    made = batches_from_actors(Line(tmp_path / "marker", bad=3), SAMPLER, 2, pin_memory=False)
    with pytest.raises(ValueError, match=r"^pictures/3\.png is cut short$"):
        list(made)
