"""A process of the endpoint, as its supervisor sees it, and what such a process says to it.

Arguments go in as JSON, on the standard input; what happens comes out as lines of JSON, on the
standard output: `{"ready": ...}`, `{"chosen": MODEL}` after a reload, `{"error": SENTENCE}`.
"""

import asyncio
import ctypes
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

PARENT_DIES = 1  # PR_SET_PDEATHSIG of Linux


class Child:
    """A running process."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.process = process
        self.ended = asyncio.create_task(process.wait())

    @classmethod
    async def start(
        cls,
        name: str,
        values: Mapping[str, Any],
        environment: Mapping[str, str],
        descriptors: Sequence[int] = (),
    ) -> "Child":
        """Start `python -m wssis_serve.one_machine.NAME`; signals of the terminal pass it by."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"wssis_serve.one_machine.{name}",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | dict(environment),
            pass_fds=descriptors,
            start_new_session=True,
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(values).encode())
        process.stdin.close()
        return cls(name, process)

    async def hear(self) -> dict[str, Any] | None:
        """Return what the process says next; None when it has ended."""
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            if line.startswith(b"{"):
                said: dict[str, Any] = json.loads(line)
                return said
        return None

    def send(self, number: signal.Signals) -> None:
        if self.process.returncode is None:
            self.process.send_signal(number)

    async def stop(self, within: float) -> None:
        """End the process, by force if it takes longer."""
        self.send(signal.SIGTERM)
        await asyncio.wait([self.ended], timeout=within)
        self.send(signal.SIGKILL)
        await self.ended


def given() -> dict[str, Any]:
    """The arguments of this process, which is from now on ended together with its supervisor."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DIES, signal.SIGTERM)
    values: dict[str, Any] = json.load(sys.stdin)
    return values


def say(**what: Any) -> None:
    """Tell the supervisor."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()
