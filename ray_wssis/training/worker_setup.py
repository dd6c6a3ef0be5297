"""The message from the driver to its training workers."""

from dataclasses import dataclass
from typing import Any

from ray.actor import ActorHandle

from ray_wssis.training.config import TrainingConfig
from ray_wssis.training.task import Task


@dataclass(frozen=True, kw_only=True)
class Setup:
    task: Task
    config: TrainingConfig
    seed: int
    folder: str  # of the stage
    loader_workers: int
    loader_actors: int  # instead of loader workers, unless it is 0
    board: ActorHandle[Any]  # a `progress.Board`
    rescued: str | None  # a checkpoint to continue from when Ray Train has lost its list
