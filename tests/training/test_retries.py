"""Which failures of training workers count, and when the next try comes."""

from typing import Any

import pytest
import ray
import ray.train
from ray.train import FailureConfig, WorkerGroupError
from ray.train.v2._internal.execution.failure_handling import FailureDecision

from ray_wssis.training.retries import Retries

RETRY, RAISE = FailureDecision.RETRY, FailureDecision.RAISE


class Remote:
    def __init__(self, call: Any) -> None:
        self.remote = call


class Board:
    """The board of a training, in this process."""

    def __init__(self) -> None:
        self.begun, self.why = 0, ""
        self.warnings: list[str] = []
        self.standing = Remote(lambda: (self.why, self.begun))
        self.warn = Remote(self.warnings.append)


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that were waited."""
    waited: list[float] = []
    monkeypatch.setattr(ray, "get", lambda answer, timeout: answer)
    monkeypatch.setattr("time.sleep", waited.append)
    return waited


def failed(said: str = "connection reset\nby peer") -> WorkerGroupError:
    return WorkerGroupError(said, {1: OSError(said)})


def policy(board: Any, max_failures: int) -> Retries:
    return Retries(FailureConfig(max_failures=max_failures), board, "teacher")


def test_failures_at_the_same_step_count_and_tries_get_rarer(
    board: Board, pauses: list[float]
) -> None:
    board.begun = 40
    decides = policy(board, 3)
    assert [decides.make_decision(failed()) for _ in range(4)] == [RETRY] * 3 + [RAISE]
    assert pauses == [0, 2, 4]
    said = "teacher: a worker failed at step 40 (connection reset); try"
    assert board.warnings == [
        f"{said} 1 of 3 from the last checkpoint",
        f"{said} 2 of 3 from the last checkpoint in 2 s",
        f"{said} 3 of 3 from the last checkpoint in 4 s",
    ]


def test_a_new_step_forgives_the_failures_before_it(board: Board, pauses: list[float]) -> None:
    decides = policy(board, 1)
    for step in range(10, 100, 10):
        board.begun = step
        assert decides.make_decision(failed()) is RETRY
    assert pauses == [0] * 9
    assert decides.make_decision(failed()) is RAISE


def test_pauses_are_capped(board: Board, pauses: list[float]) -> None:
    decides = policy(board, -1)
    for _ in range(9):
        assert decides.make_decision(failed()) is RETRY
    assert pauses == [0, 2, 4, 8, 16, 32, 60, 60, 60]
    assert board.warnings[-1].endswith("try 9 from the last checkpoint in 60 s")


def test_what_no_try_would_fix_ends_at_once(board: Board, pauses: list[float]) -> None:
    board.why = "teacher: images/3.png is cut short"
    assert policy(board, 3).make_decision(failed()) is RAISE
    assert not board.warnings and not pauses
