"""A small run of everything, as a job on a Ray that was started as an operator would."""

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from upath import UPath

from ray_wssis.session import free_port

ROOT = Path(__file__).parents[2]
RAY = str(Path(sys.executable).parent / "ray")
STARTS_WITHIN = 300  # seconds
JOB_ENDS_WITHIN = 1000

# Words of the table with which labelling shapes ends.
CLOSING_TABLE = (
    "images",
    "failed images",
    "masks of class ring",
    "mean expected IoU",
    "bottleneck",
)
SMALL = [
    "estimate=false",
    "data.shapes.num_images=16",
    "data.shapes.num_validation_images=4",
    "data.percent=25",
    "teacher.training.early=[2, 4]",
    *(
        f"{stage}.training.{change}"
        for stage in ("teacher", "refiner", "student")
        for change in ("steps=8", "batch_size=4", "save_every=2")
    ),
]


@dataclass(frozen=True)
class Submitted:
    """A run that was made by a Ray job, and what the job said."""

    folder: Path
    job: subprocess.CompletedProcess[str]


def part_of(run: Path | UPath, folder: Path, stages: list[str]) -> Path:
    """A run folder in which only these stages of another run are finished."""
    for stage in stages:
        shutil.copytree(str(run / stage), folder / stage)
    shutil.copy(str(run / "config.resolved.yaml"), folder)
    return folder


@contextmanager
def running_head(log: Path, **environment: str) -> Iterator[str]:
    """The address of its dashboard."""
    dashboard = free_port()
    command = [RAY, "start", "--head", "--block", "--num-cpus=4", f"--port={free_port()}"]
    command += ["--include-dashboard=true", f"--dashboard-port={dashboard}"]
    command += [f"--dashboard-agent-listen-port={free_port()}", "--node-ip-address=127.0.0.1"]
    wait = {"RAY_JOB_STOP_WAIT_TIME_S": "60"}  # as the operator guide says
    wait |= {"RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0"}  # nobody is served when it ends
    environment = wait | environment
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, stdout=stream, stderr=stream, env=os.environ | environment
        )
    address = f"http://127.0.0.1:{dashboard}"
    try:
        wait_for(f"{address}/api/version", process, log)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=60)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            if getattr(error, "code", None) == 401:  # it wants a token
                return
            time.sleep(0.5)
    pytest.fail(f"no dashboard after {STARTS_WITHIN} s:\n{log.read_text()}")


def submit(
    head: str, *command: str, name: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """What the README says, from the root of the checkout."""
    line = [RAY, "job", "submit", "--address", head, "--working-dir", "."]
    line += ["--submission-id", name, "--"] if name else ["--"]
    inherited = {key: it for key, it in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [*line, sys.executable, *command],
        cwd=ROOT,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=JOB_ENDS_WITHIN,
    )
