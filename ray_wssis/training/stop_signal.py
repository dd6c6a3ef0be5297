"""The way of a request to stop, from the signal that the driver gets to the workers' loops."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import ray
import ray.train
from ray.actor import ActorHandle

from ray_wssis.session import Terminated

logger = logging.getLogger(__name__)


@contextmanager
def stop_when_asked(board: ActorHandle[Any]) -> Iterator[None]:
    """After Ctrl-C or SIGTERM, raise KeyboardInterrupt or `Terminated` once the step is saved.

    For the driver.  A second signal raises it at once.
    """
    asked: type[KeyboardInterrupt] | None = None

    def stop(number: int, _: FrameType | None) -> None:
        nonlocal asked
        if asked is not None:
            raise asked
        asked = Terminated if number == signal.SIGTERM else KeyboardInterrupt
        board.ask_to_stop.remote()
        logger.warning(
            "Stop requested: finishing this step and saving a checkpoint. "
            "A second signal stops at once."
        )

    in_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before if in_main else ():
        signal.signal(number, stop)
    try:
        yield
    except Exception:  # perhaps of a process that was terminated together with this one
        if asked is None:
            raise
    finally:
        for number, handler in before.items() if in_main else ():
            signal.signal(number, handler)
    if asked is not None:
        raise asked


class StopSignal:
    """Tells a worker to stop, or to save because a node is about to leave.

    All workers ask at the same steps and get the same answers: all save, or none.
    """

    def __init__(self, board: ActorHandle[Any]) -> None:
        self.board = board
        self.leaving: ray.train.PreemptionInfo | None = None

    def begin(self, step: int) -> None:
        """Ask the board about a step, so that its answer is here when the step is done."""
        self.answer: ray.ObjectRef[bool] = self.board.begin.remote(step)

    def is_last_step(self) -> bool:
        """Return whether to stop after the step that has begun."""
        return ray.get(self.answer)

    def node_is_leaving(self) -> bool:
        """Return whether it became known since the last call that a node of ours will go away.

        Workers wait for each other here, and for no device.
        """
        before, self.leaving = self.leaving, ray.train.get_preemption_info()
        return self.leaving is not None and self.leaving != before
