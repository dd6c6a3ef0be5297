"""The pages of `jobs/` as Ray jobs, on a real head with dashboard."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ray_wssis.session import free_port

ROOT = Path(__file__).parent.parent.parent
RAY = str(Path(sys.executable).parent / "ray")
FEW = ["--set", "data.shapes={num_images: 12, num_validation_images: 4, size: 64}"]
STARTS_WITHIN = 120  # seconds


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the dashboard of a Ray that was started as an operator would."""
    dashboard = free_port()
    command = [RAY, "start", "--head", "--block", "--num-cpus=2", f"--port={free_port()}"]
    command += ["--include-dashboard=true", f"--dashboard-port={dashboard}"]
    command += [f"--dashboard-agent-listen-port={free_port()}", "--node-ip-address=127.0.0.1"]
    log = tmp_path_factory.mktemp("head") / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream)
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
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    pytest.fail(f"no dashboard after {STARTS_WITHIN} s:\n{log.read_text()}")


def submit(head: str, *command: str) -> subprocess.CompletedProcess[str]:
    """What the README says, from the root of the checkout."""
    line = [RAY, "job", "submit", "--address", head, "--working-dir", ".", "--"]
    environment = {name: it for name, it in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [*line, sys.executable, *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )


@pytest.mark.slow
def test_a_page_runs_as_a_ray_job(head: str, tmp_path: Path) -> None:
    done = submit(head, "jobs/split.py", "--config", "shapes", "--out", str(tmp_path), *FEW)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{tmp_path}/split" in done.stdout
    assert (tmp_path / "split/manifest.json").exists()


@pytest.mark.slow
def test_a_relative_out_is_refused_in_a_ray_job(head: str) -> None:
    done = submit(head, "jobs/full_pipeline.py", "--config", "shapes", "--out", "runs/x", *FEW)
    assert done.returncode == 1
    assert "--out runs/x is relative" in done.stdout + done.stderr
