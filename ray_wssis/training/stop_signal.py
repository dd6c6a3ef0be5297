"""What reaches training workers from outside: a wish to stop, and nodes that will go away."""

from typing import Any

import ray
import ray.train
from ray.actor import ActorHandle


class Notices:
    """Asked by every worker in the same steps, which get the same answers: all save, or none."""

    def __init__(self, board: ActorHandle[Any]) -> None:
        self.board = board
        self.leaving: ray.train.PreemptionInfo | None = None

    def begin(self, step: int) -> None:
        """Ask the board about a step, so that its answer is there when the step has been done."""
        self.answer: ray.ObjectRef[bool] = self.board.begin.remote(step)

    def say_stop(self) -> bool:
        """Whether the step that has begun is to be the last one."""
        return ray.get(self.answer)

    def say_a_node_leaves(self) -> bool:
        """Whether it became known that a node of ours will go away: once for each news.

        Workers wait for each other here, and for no device.
        """
        before, self.leaving = self.leaving, ray.train.get_preemption_info()
        return self.leaving is not None and self.leaving != before
