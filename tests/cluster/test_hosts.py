"""Hosts that share nothing; what happens to the pipeline on them is in `hosts.py`, run by hand."""

import subprocess
import sys

import pytest

from tests.support.hosts import ALONE, why_not

REACHES = "timeout 5 bash -c ': < /dev/tcp/{where}/9' 2>&1 | grep -q refused && echo yes || echo no"
LOOK = f"""
from tests.support.hosts import hosts, move_in

move_in("")
with hosts("one", "other", room="10m") as made:
    one, other = made.values()
    one.run("touch", "/tmp/mine", "/dev/shm/mine")
    print(other.run("ls", "/tmp", "/dev/shm").split(), other.run("hostname").strip())
    print(len(other.run("ps", "-e", "--no-headers").splitlines()))
    print(other.run("sh", "-c", "touch /root/mine 2>/dev/null || echo read-only").strip())
    reaches = {REACHES!r}
    for act in (one.join, one.cut, one.join):
        act()
        print(other.run("sh", "-c", reaches.format(where="one")).strip())
    one.lose()
    print(other.run("sh", "-c", reaches.format(where="one")).strip())
"""


def test_hosts_share_nothing_and_can_be_cut_off_and_lost() -> None:
    if reason := why_not():
        pytest.skip(reason)
    done = subprocess.run(
        [*ALONE, sys.executable, "-c", LOOK], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "['/dev/shm:', '/tmp:'] other",
        "2",  # the process that holds it, and ps
        "read-only",
        "yes",
        "no",
        "yes",
        "no",
    ]
