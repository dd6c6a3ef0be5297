"""Restarts of training workers that failed: rarer from try to try, and endless while they help."""

import time
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.train import WorkerGroupError
from ray.train.v2._internal.execution.failure_handling import DefaultFailurePolicy, FailureDecision

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0  # seconds; the first try comes at once
ANSWERS_WITHIN = 60.0  # seconds; the board only counts


class Retries(DefaultFailurePolicy):
    """Ray Train's own decisions, but for failures of workers.

    They count only until a step is begun that none had begun before: a full node or storage that is
    away costs time, not one of a few tries in days of training.
    """

    def __init__(self, config: Any, board: ActorHandle[Any], name: str) -> None:
        super().__init__(config)
        self.board = board
        self.name = name  # of the task
        self.reached = -1  # the newest step that a worker had begun before the last failure

    def make_decision(self, training_failed_error: Any) -> FailureDecision:
        """Decide about a failure, and wait before a try that follows another in vain."""
        if not isinstance(training_failed_error, WorkerGroupError):
            return super().make_decision(training_failed_error)
        standing: Any = ray.get(self.board.standing.remote(), timeout=ANSWERS_WITHIN)
        why, reached = standing
        if why:  # a worker said that no other try would help
            return FailureDecision.RAISE
        if reached > self.reached:
            self.reached, self._worker_group_failures = reached, 0
        before = self._worker_group_failures
        decision = super().make_decision(training_failed_error)
        number = self._worker_group_failures
        if decision is FailureDecision.RETRY and number > before:  # else a node was taken away
            pause, most = pause_before(number), self.failure_config.max_failures
            tries = f"try {number}" if most < 0 else f"try {number} of {most}"
            self.board.warn.remote(
                f"{self.name}: a worker failed at step {reached} "
                f"({first_line(training_failed_error)}); {tries} from the last checkpoint"
                + (f" in {pause:.0f} s" if pause else "")
            )
            time.sleep(pause)
        return decision


def pause_before(number: int) -> float:
    """Return the seconds before a try, counted from 1."""
    return 0.0 if number == 1 else min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (number - 2))


def first_line(error: WorkerGroupError) -> str:
    """The beginning of what the first worker that failed said."""
    failure = next(iter(error.worker_failures.values()))
    said = getattr(failure, "_base_exc", failure)
    lines = str(said).strip().splitlines()
    return lines[0] if lines else type(said).__name__
