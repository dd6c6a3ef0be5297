"""News that reach training workers from outside: a request to stop, and nodes about to leave."""

from typing import Any

import ray
import ray.train
from ray.actor import ActorHandle


class StopSignal:
    """Asked by every worker in the same steps, with the same answers: all save, or none."""

    def __init__(self, board: ActorHandle[Any]) -> None:
        self.board = board
        self.leaving: ray.train.PreemptionInfo | None = None

    def begin(self, step: int) -> None:
        """Ask the board about a step, so that its answer is here when the step is done."""
        self.answer: ray.ObjectRef[bool] = self.board.begin.remote(step)

    def is_last_step(self) -> bool:
        """Whether the step that has begun is to be the last one."""
        return ray.get(self.answer)

    def node_is_leaving(self) -> bool:
        """Whether it has become known that one of our nodes will go away: once for each news.

        Workers wait for each other here, and for no device.
        """
        before, self.leaving = self.leaving, ray.train.get_preemption_info()
        return self.leaving is not None and self.leaving != before
