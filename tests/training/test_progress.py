import logging
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from ray_wssis.training.progress import ProgressPrinter, warnings_on

LINE = {
    "step": 120.0,
    "loss": 1.25,
    "loss/dice": 0.5,
    "learning_rate": 0.01,
    "images_per_second": 35.06,
    "seconds_per_step": 0.25,
    "network_share": 0.968,
}


def test_a_line_for_people_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    ProgressPrinter(None, "mine").show("teacher", 400, LINE)
    assert capsys.readouterr().out == (
        "  teacher 120/400  loss 1.250  35.1 images/s  network 97 %  1:10 left\n"
    )


class FakeBoard:
    """Collects what a handler puts on it."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.warn = self

    def remote(self, text: str) -> None:
        self.texts.append(text)


def test_warnings_of_a_worker_come_to_the_board_meanwhile() -> None:
    board: Any = FakeBoard()
    log = logging.getLogger("ray_wssis.models.start")
    log.warning("before")
    with warnings_on(board):
        log.warning("start: %d of %d weights", 2, 5)
        log.info("no warning")
        logging.getLogger("elsewhere").warning("not ours")
    log.warning("after")
    assert board.texts == ["start: 2 of 5 weights"]
    with warnings_on(None):
        log.warning("nobody reads it")


def test_the_driver_logs_the_warnings_on_the_board(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    board: Any = SimpleNamespace(read=SimpleNamespace(remote=lambda: (None, ["start: 2 of 5"])))
    monkeypatch.setattr(ray, "get", lambda answer, timeout: answer)
    with ProgressPrinter(board, "mine"):
        pass
    assert caplog.messages == ["start: 2 of 5"]


def test_a_line_for_machines_has_the_numbers(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WSSIS_LOG", "json")
    caplog.set_level(logging.INFO, logger="ray_wssis")
    ProgressPrinter(None, "mine").show("teacher", 400, LINE)
    assert not capsys.readouterr().out
    (record,) = caplog.records
    fields = vars(record)
    assert (fields["stage"], fields["num_steps"]) == ("teacher", 400)
    assert {name: fields[name] for name in LINE} == LINE
