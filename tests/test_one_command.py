import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from upath import UPath

from ray_wssis import one_command
from ray_wssis.artifacts import Artifact, open_stage
from ray_wssis.one_command import alone_in
from ray_wssis.storage import names_in, read_json, write_json

HOLD = """
import sys
from upath import UPath
from ray_wssis.one_command import alone_in
with alone_in(UPath(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


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
            pytest.raises(ValueError, match=r"another command is at work in .*run\. Wait until"),
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
        pytest.raises(ValueError, match=rf"process {os.getpid()} on .* is at work in memory://"),
        alone_in(bucket),
    ):
        pass
    assert names_in(bucket) == []
    with alone_in(bucket):
        assert names_in(bucket) == [".lock"]


def test_in_a_bucket_the_lock_of_a_killed_command_is_taken_over(
    bucket: UPath, caplog: pytest.LogCaptureFixture
) -> None:
    dead = {"host": "elsewhere", "pid": 7, "token": "its own", "beat": 3}
    write_json(bucket / ".lock", dead)
    with alone_in(bucket):
        assert read_json(bucket / ".lock")["pid"] == os.getpid()
    assert "process 7 on elsewhere is gone" in caplog.text
    assert names_in(bucket) == []


def test_a_command_whose_lock_was_taken_stops(bucket: UPath) -> None:
    theirs = {"host": "elsewhere", "pid": 7, "token": "its own", "beat": 0}
    with pytest.raises(KeyboardInterrupt), alone_in(bucket):
        write_json(bucket / ".lock", theirs)
        time.sleep(5)
    assert read_json(bucket / ".lock") == theirs  # and leaves it to its owner


def test_a_locked_folder_may_be_that_of_a_stage(tmp_path: Path) -> None:
    with alone_in(UPath(tmp_path)):
        for redo in (False, True):
            stage = open_stage(tmp_path, {"redo": redo}, redo=redo)
            assert not isinstance(stage, Artifact)
            made = stage.finish()
            assert made.manifest["outputs"] == {}
