import logging
import time

import pytest

from ray_wssis import heartbeat
from ray_wssis.heartbeat import LAST_LINE, Heartbeat


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(heartbeat, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(heartbeat, "QUIET_SECONDS", 0.2)
    caplog.set_level(logging.INFO, logger="ray_wssis")


def test_a_stage_that_says_nothing_is_said_to_be_at_work(caplog: pytest.LogCaptureFixture) -> None:
    with Heartbeat("merged"):
        time.sleep(0.5)
    assert 1 <= len(caplog.messages) <= 2
    assert caplog.messages[0].startswith("  merged: still at work after ")


def test_whoever_says_something_else_is_enough(caplog: pytest.LogCaptureFixture) -> None:
    with Heartbeat("labels"):
        for i in range(10):
            time.sleep(0.05)
            if i % 2:
                LAST_LINE.note()
            else:
                logging.getLogger("ray_wssis.streaming").info("a line")
    assert set(caplog.messages) == {"a line"}
