"""Labelling while processes and machines die: every image once, and the same rows."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from ray_wssis.streaming.shards import content_digest
from ray_wssis.streaming.stream import stream
from ray_wssis.streaming.table import each_row, shards
from tests.support.nodes import LOST_NODES_ARE_MISSED_SOON
from tests.support.slow_stream import NUM_IMAGES, WORKERS, slow_pass, write_records
from tests.support.small_run import ROOT
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> UPath:
    return write_records(tmp_path_factory.mktemp("many"))


@pytest.fixture(scope="module")
def undisturbed(
    records: UPath, tmp_path_factory: pytest.TempPathFactory, ray_session: None
) -> dict[str, Any]:
    job = slow_pass(records, UPath(tmp_path_factory.mktemp("undisturbed") / "out"))
    stream(job, WORKERS)
    return content_digest(job.out)


def start(records: UPath, out: UPath, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.support.slow_stream", str(records), str(out), *more]
    environment = os.environ | LOST_NODES_ARE_MISSED_SOON
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)


def has_shards(out: UPath, more_than: int) -> bool:
    return len(shards(out)) > more_than


def assert_whole(out: UPath, undisturbed: dict[str, Any]) -> None:
    times = Counter(row["image_id"] for row in each_row(out))
    assert len(times) == NUM_IMAGES and set(times.values()) == {1}
    assert content_digest(out) == undisturbed


def test_an_actor_that_is_killed_loses_nothing(
    records: UPath, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    go_on = tmp_path / "go on"
    job = slow_pass(records, UPath(tmp_path / "out"), str(go_on))
    pids = Path(f"{job.out}.pids")

    def kill_one() -> None:
        wait_until(partial(has_shards, job.out, 2))
        os.kill(int(pids.read_text().split()[0]), signal.SIGKILL)
        wait_until(lambda: len(pids.read_text().split()) > WORKERS.number)  # another took its place
        go_on.touch()

    killer = threading.Thread(target=kill_one)
    killer.start()
    stream(job, WORKERS)
    killer.join()
    assert len(pids.read_text().split()) > WORKERS.number
    assert_whole(job.out, undisturbed)


def test_a_driver_that_is_killed_twice_loses_nothing(
    records: UPath, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    out = UPath(tmp_path / "out")
    for wanted in (1, 10):
        process = start(records, out, str(tmp_path / "never"))
        wait_until(partial(has_shards, out, wanted))
        process.kill()
        process.wait()
        assert len(shards(out)) < NUM_IMAGES / 2
    stream(slow_pass(records, out), WORKERS)
    assert_whole(out, undisturbed)


def test_a_node_that_goes_away_loses_nothing(
    records: UPath, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    out = UPath(tmp_path / "out")
    assert start(records, out, "--lose-a-node").wait(timeout=600) == 0
    assert_whole(out, undisturbed)


def test_a_run_that_nothing_happens_to_prints_no_error(records: UPath, tmp_path: Path) -> None:
    out = UPath(tmp_path / "out")
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.slow_stream", str(records), str(out)],
        cwd=ROOT,
        env=os.environ | {"RAY_BACKEND_LOG_LEVEL": "error"},  # a cluster of ours is quieter
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        timeout=300,
    )
    assert not re.search(r"\b(ERROR|WARNING|E)\b", done.stdout), done.stdout
    assert has_shards(out, 10)
