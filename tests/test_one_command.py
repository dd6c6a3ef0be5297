import os
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from upath import UPath

from ray_wssis import one_command
from ray_wssis.artifacts import Artifact, open_stage
from ray_wssis.one_command import BucketLock, alone_in
from ray_wssis.storage import names_in, read_json, write_json
from tests.support.faulty_s3 import faulty_s3

HOLD = """
import sys
from upath import UPath
from ray_wssis.one_command import alone_in
with alone_in(UPath(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""

THEIRS = {
    "user": "anna",
    "host": "elsewhere",
    "pid": 7,
    "since": "yesterday",
    "token": "its own",
    "beat": 3,
}


def test_a_second_command_is_refused_until_the_first_one_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    first = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdout is not None
    try:
        assert first.stdout.readline() == "held\n"
        with (
            pytest.raises(
                ValueError,
                match=rf"process {first.pid} of .+ on .+, since 2.+, is at work in .*run\. Wait",
            ),
            alone_in(UPath(folder)),
        ):
            pass
    finally:
        first.kill()
        first.communicate()
    with alone_in(UPath(folder)):
        pass


def test_the_same_process_may_come_again(tmp_path: Path) -> None:
    for _ in range(2):
        with alone_in(UPath(tmp_path)):
            pass


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> UPath:
    monkeypatch.setattr(one_command, "BEAT", 0.1)
    folder = UPath(f"memory://{uuid.uuid4().hex}/run")
    folder.mkdir(parents=True)
    return folder


def test_in_a_bucket_a_second_command_is_refused_until_the_first_one_ends(bucket: UPath) -> None:
    with (
        alone_in(bucket),
        pytest.raises(ValueError, match=rf"process {os.getpid()} of .+ is at work in memory://"),
        alone_in(bucket),
    ):
        pass
    assert names_in(bucket) == []
    with alone_in(bucket):
        assert names_in(bucket) == [".lock"]


def test_in_a_bucket_the_lock_of_a_killed_command_is_taken_over(
    bucket: UPath, caplog: pytest.LogCaptureFixture
) -> None:
    write_json(bucket / ".lock", THEIRS)
    with alone_in(bucket):
        assert read_json(bucket / ".lock")["pid"] == os.getpid()
    assert "process 7 of anna on elsewhere, since yesterday, is gone" in caplog.text
    assert names_in(bucket) == []


def test_of_commands_that_begin_at_the_same_time_one_gets_the_lock() -> None:
    with faulty_s3():
        UPath("s3://runs").mkdir()
        locks = [BucketLock(UPath("s3://runs/mine")) for _ in range(8)]
        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(BucketLock.create, locks)) == 1


def test_a_command_whose_lock_was_taken_stops(bucket: UPath) -> None:
    with pytest.raises(KeyboardInterrupt), alone_in(bucket):
        for _ in range(20):  # ours may be written at the same moment
            write_json(bucket / ".lock", THEIRS)
            time.sleep(0.3)
    assert read_json(bucket / ".lock") == THEIRS  # and leaves it to its owner


def test_a_locked_folder_may_be_that_of_a_stage(tmp_path: Path) -> None:
    with alone_in(UPath(tmp_path)):
        for redo in (False, True):
            stage = open_stage(tmp_path, {"redo": redo}, redo=redo)
            assert not isinstance(stage, Artifact)
            made = stage.finish()
            assert made.manifest["outputs"] == {}
