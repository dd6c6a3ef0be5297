import logging
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from ray_wssis.training.progress import News, ProgressPrinter, warnings_on

LINE = {
    "step": 120.0,
    "loss": 1.25,
    "loss/dice": 0.5,
    "learning_rate": 0.01,
    "images_per_second": 35.06,
    "seconds_per_step": 0.25,
    "network_share": 0.968,
}


def printer(board: Any = None) -> ProgressPrinter:
    return ProgressPrinter(board, "mine", "teacher", 400)


def news(
    newest: dict[str, float] | None = None,
    *,
    warnings: Sequence[str] = (),
    figures: Sequence[dict[str, float]] = (),
    doing: str = "at step 121",
) -> News:
    return News(newest, list(warnings), list(figures), doing)


def test_a_line_for_people_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    progress = printer()
    progress.shown_at -= 60
    progress.take(news(LINE))
    progress.take(news(LINE))
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
    board: Any = SimpleNamespace(
        read=SimpleNamespace(remote=lambda: news(warnings=["start: 2 of 5"]))
    )
    monkeypatch.setattr(ray, "get", lambda answer, timeout: answer)
    with printer(board):
        pass
    assert caplog.messages == ["start: 2 of 5"]


def test_a_line_for_machines_has_the_numbers(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WSSIS_LOG", "json")
    caplog.set_level(logging.INFO, logger="ray_wssis")
    progress = printer()
    progress.shown_at -= 60
    progress.take(news(LINE))
    assert not capsys.readouterr().out
    (record,) = caplog.records
    fields = vars(record)
    assert (fields["stage"], fields["num_steps"]) == ("teacher", 400)
    assert {name: fields[name] for name in LINE} == LINE


def test_figures_of_a_validation_are_shown_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    progress = printer()
    scores = {"step": 120.0, "val/AP": 18.31, "val/AP50": 35.2, "val/AP_small": float("nan")}
    progress.take(news(LINE, figures=[scores]))
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("  teacher 120/400  loss")
    assert second == "  teacher 120/400  validation: AP 18.3  AP50 35.2"


@pytest.mark.parametrize("doing", ["starting its workers", "at step 121", "validating"])
def test_what_the_workers_do_is_shown_where_nothing_else_is(
    doing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    progress = printer()
    progress.take(news(doing=doing))
    assert not capsys.readouterr().out
    progress.shown_at -= 11
    progress.take(news(doing=doing))
    progress.take(news(doing=doing))
    assert capsys.readouterr().out == f"  teacher 0/400  {doing}\n"
