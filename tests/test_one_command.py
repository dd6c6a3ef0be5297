import subprocess
import sys
from pathlib import Path

import pytest
from upath import UPath

from ray_wssis.artifacts import Artifact, open_stage
from ray_wssis.one_command import alone_in

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


def test_a_bucket_is_not_locked() -> None:
    with alone_in(UPath("memory://run")), alone_in(UPath("memory://run")):
        pass


def test_a_locked_folder_may_be_that_of_a_stage(tmp_path: Path) -> None:
    with alone_in(UPath(tmp_path)):
        for redo in (False, True):
            stage = open_stage(tmp_path, {"redo": redo}, redo=redo)
            assert not isinstance(stage, Artifact)
            made = stage.finish()
            assert made.manifest["outputs"] == {}
