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

from ray_wssis.training import feeding
from ray_wssis.training.feeding import batches_from_actors, batches_from_processes
from ray_wssis.training.streams import LoadedStreams, Stream
from tests.support.line_task import Line, Points, TwoLines

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # actors cannot import tests
SEED = 0
STEPS = range(1, 13)
Values = list[dict[str, tuple[list[int], list[list[float]]]]]


def values(feed: Any) -> Values:
    return [
        {name: (batch.image_ids, batch.values.tolist()) for name, batch in batches.items()}
        for batches in feed
    ]


def loaded(task: Line) -> LoadedStreams:
    return LoadedStreams(task.streams(), SEED)


@pytest.fixture(params=[Line, TwoLines])
def task(tmp_path: Path, request: pytest.FixtureRequest) -> Line:
    made: Line = request.param(tmp_path / "marker")
    return made


@pytest.fixture
def expected(task: Line) -> Values:
    streams = loaded(task)
    return values(streams.batches(keys) for keys in streams.sampler(STEPS))


@pytest.mark.parametrize("number", [0, 2])
def test_processes_make_the_batches_of_a_loop(task: Line, expected: Values, number: int) -> None:
    streams = loaded(task)
    made = batches_from_processes(streams, streams.sampler(STEPS), number, pin_memory=False)
    assert values(made) == expected


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize(("task", "number"), [(Line, 1), (TwoLines, 3)], indirect=["task"])
def test_actors_make_the_batches_of_a_loop(task: Line, expected: Values, number: int) -> None:
    sampler = loaded(task).sampler(STEPS)
    assert values(batches_from_actors(task, SEED, sampler, number, pin_memory=False)) == expected


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
    def streams(self) -> dict[str, Stream]:
        return {"square": Stream(lambda: Deadly(10, None, self.marker), 4)}


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize("task", [Line], indirect=True)
def test_an_actor_that_dies_is_made_up_for(task: Line, expected: Values) -> None:
    sampler = loaded(task).sampler(STEPS)
    made = batches_from_actors(DeadlyLine(task.marker), SEED, sampler, 2, pin_memory=False)
    assert values(made) == expected
    assert task.marker.exists()


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize("task", [Line], indirect=True)
def test_an_actor_without_a_cpu_is_not_waited_for_for_ever(
    task: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "LOADED_WITHIN", 5)
    sampler = loaded(task).sampler(STEPS)
    made = batches_from_actors(task, SEED, sampler, 5, pin_memory=False)  # of 4 CPUs
    with pytest.raises(ValueError, match="no batch came from the loader actors for 5 s: no node"):
        list(made)


@pytest.mark.parametrize("number", [0, 2])
def test_a_bad_image_is_named_by_a_process(tmp_path: Path, number: int) -> None:
    streams = loaded(Line(tmp_path / "marker", bad=3))
    made = batches_from_processes(streams, streams.sampler(STEPS), number, pin_memory=False)
    with pytest.raises(ValueError, match=r"^images/3\.png is cut short$"):
        list(made)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
def test_a_bad_image_is_named_by_an_actor(tmp_path: Path) -> None:
    task = Line(tmp_path / "marker", bad=3)
    made = batches_from_actors(task, SEED, loaded(task).sampler(STEPS), 2, pin_memory=False)
    with pytest.raises(ValueError, match=r"^images/3\.png is cut short$"):
        list(made)
