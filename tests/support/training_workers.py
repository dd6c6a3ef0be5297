"""The processes in which Rays that a test has started train and label."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def training_workers() -> list[int]:
    """Their ids."""
    return processes("RayTrainWorker")


def processes(name: str) -> list[int]:
    """The ids of processes that say this name."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            ours = name.encode() in command and os.getpid() in ancestors(int(folder.name))
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended meanwhile
        found += [int(folder.name)] * ours
    return found


def ancestors(pid: int) -> Iterator[int]:
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        yield pid


@contextmanager
def held_in_a_step() -> Iterator[None]:
    """They do nothing meanwhile, so that on no machine training is over before it is disturbed."""
    with held("RayTrainWorker"):
        yield


@contextmanager
def held(name: str) -> Iterator[list[int]]:
    """The ids of processes of this name, which do nothing meanwhile."""
    workers = processes(name)
    assert workers
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield workers
    finally:
        for pid in workers:
            with suppress(ProcessLookupError):  # killed meanwhile
                os.kill(pid, signal.SIGCONT)
