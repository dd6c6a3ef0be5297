"""The part of a configuration that every recipe has."""

from collections.abc import Sequence
from typing import Protocol

from pydantic import Field

from ray_wssis.config import Config
from ray_wssis.streaming.config import LabellingWorkers
from ray_wssis.training.config import TrainingConfig, TrainingWorkers


class RunConfig(Config):
    recipe: str
    seed: int = Field(default=0, ge=0)  # of the data, the split and the training
    estimate: bool = True  # time a few steps first, to say how long the run will take
    training_workers: TrainingWorkers = TrainingWorkers()
    labelling_workers: LabellingWorkers = LabellingWorkers()

    def stages(self) -> list[str]:
        """Name the stages of the run, in order, before any is made."""
        raise NotImplementedError


def round_prefix(number: int) -> str:
    """Return how the names of the stages of a round begin."""
    return f"round_{number}_"


def stages_of_rounds(rounds: int, names: Sequence[str]) -> list[str]:
    """Name the stages of all rounds, each of which makes `names`; a verdict ends all but the last.

    The last round has no prefix.
    """
    earlier = [round_prefix(i) + name for i in range(1, rounds) for name in (*names, "verdict")]
    return [*earlier, *names]


def check_rounds(rounds: int, ready: str | None) -> None:
    """Raise ValueError if there are several rounds and a student that is `ready`."""
    if rounds > 1 and ready is not None:
        raise ValueError(
            f"rounds is {rounds} and student.ready is given: each round trains a student; leave "
            "out one of them"
        )


class TrainedModel(Protocol):
    """The part of a training stage's configuration that `Run.train` reads."""

    @property
    def training(self) -> TrainingConfig: ...
    @property
    def ready(self) -> str | None: ...  # a model folder to use as it is: nothing is trained
