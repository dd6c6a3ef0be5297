import errno
import os
import socket
import subprocess
import sys
from typing import Any

import pytest
import ray

from ray_wssis import session

ASK = """
import os
from ray_wssis.session import connect

connect()
import ray

seen = ray.get(ray.remote(lambda: os.environ["RAY_ADDRESS"]).remote())
assert seen.split(":")[1] == ray.get_runtime_context().gcs_address.split(":")[1]
assert "RAY_ADDRESS" not in os.environ
"""


@pytest.mark.slow
def test_workers_of_our_own_cluster_know_its_address() -> None:
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr  # a newcomer reads nothing about tokens


SLOW = Exception(
    "The current node timed out during startup. This could happen because some of the raylet failed"
)


@pytest.fixture
def inits(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Errors of the next calls of `ray.init`; it succeeds when there are none left."""
    errors: list[Any] = []

    def init(**_: object) -> None:
        if errors:
            raise errors.pop(0)

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    return errors


def test_ray_that_is_too_slow_is_started_once_more(
    inits: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    inits += [SLOW]
    session.start()
    assert caplog.messages == [
        "Ray did not start (The current node timed out during startup); trying once more"
    ]
    assert "RAY_ADDRESS" not in os.environ


def test_ray_that_does_not_start_is_one_sentence(inits: list[Any]) -> None:
    inits += [SLOW, SLOW, SLOW]
    words = (
        r"did not start on this machine: The current node timed out during startup. There are "
        r"[\d.]+ GB free in /.* the load is \d+ on \d+ cores. Make room, or wait"
    )
    with pytest.raises(ConnectionError, match=words) as caught:
        session.start()
    assert "\n" not in str(caught.value) and len(inits) == 1


def test_a_full_disk_is_not_tried_twice(inits: list[Any]) -> None:
    inits += [OSError(errno.ENOSPC, "No space left on device", "/tmp/ray"), SLOW]
    with pytest.raises(ConnectionError, match=r"No space left on device: '/tmp/ray'\. There are"):
        session.start()
    assert len(inits) == 1


def test_versions_that_differ_are_one_sentence(inits: list[Any]) -> None:
    inits += [RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.1\n")]
    words = "RAY_ADDRESS=auto: Version mismatch: The cluster was started with: Ray: 2.1. Is the cl"
    with pytest.raises(ConnectionError, match=words):
        session.attach("auto")


def test_what_nodes_report_is_one_line(
    inits: list[Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = ray._private.worker
    monkeypatch.setattr(worker, "print_to_stdstream", worker.print_to_stdstream)  # put it back
    session.attach("auto")
    report = "Raylet is terminated. Possible reasons: (1)\n  *** StackTrace ***\n  raylet(+0xff)\n"
    worker.print_to_stdstream({"lines": [report], "pid": "raylet"}, ignore_prefix=False)
    assert caplog.messages == ["Ray: Raylet is terminated"]


@pytest.mark.parametrize("address", ["http://127.0.0.1:8265", "ray://head:10001", "head", ":1"])
def test_what_is_no_address_of_a_head_is_told(address: str) -> None:
    with pytest.raises(ConnectionError, match="this is not HOST:PORT of a head node"):
        session.attach(address)


def test_a_cluster_that_is_gone_is_one_sentence() -> None:
    with socket.socket() as probe:  # bound, but it does not listen
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, "-c", ATTACH],
            env=os.environ | {"RAY_ADDRESS": address},
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(f"RAY_ADDRESS={address}: nothing answers there (Connection ref")
    assert done.stderr.count("\n") == 1


ATTACH = """
from ray_wssis.cli.sentences import start_command
from ray_wssis.session import connect

start_command(connect, None)
"""
