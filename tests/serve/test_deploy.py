"""The two ways to start the endpoint, as an operator types them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
import yaml

from ray_wssis.session import free_port
from tests.support.small_run import ROOT
from tests.support.tiny_run import write_run

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent
PNG = {"Content-Type": "image/png"}
READY_WITHIN = 500  # seconds


def wait_until_ready(url: str, log: Path) -> None:
    until = time.monotonic() + READY_WITHIN
    while time.monotonic() < until:
        try:
            if httpx2.get(f"{url}/readyz").status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.5)
    pytest.fail(log.read_text())


@contextmanager
def wssis_serve(run: Path, log: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    command = [str(BIN / "wssis"), "serve", str(run), "--port", str(port)]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream)
    try:
        wait_until_ready(f"http://127.0.0.1:{port}", log)
        yield process, port
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(180)


def test_one_command_serves_reloads_and_stops(
    run_folder: Path, tmp_path: Path, image: bytes
) -> None:
    log, other = tmp_path / "log", write_run(run_folder.parent / "newer", seed=3)
    with wssis_serve(run_folder, log) as (process, port):
        url = f"http://127.0.0.1:{port}"
        before = httpx2.post(f"{url}/v1/segment", content=image, headers=PNG, timeout=60)
        assert before.status_code == 200
        reload = [str(BIN / "wssis"), "serve", "--reload", str(other), "--port", str(port)]
        output = subprocess.run(reload, capture_output=True, text=True, check=True).stdout
        after = httpx2.post(f"{url}/v1/segment", content=image, headers=PNG, timeout=60)
        assert f"student {after.json()['model']['hash']}" in output
        assert after.json()["model"] != before.json()["model"]
        process.send_signal(signal.SIGINT)
        assert process.wait(180) == 0
    assert "Traceback" not in log.read_text()


def test_a_damaged_model_is_reported_in_a_sentence(run_folder: Path, tmp_path: Path) -> None:
    broken = write_run(tmp_path / "broken", seed=4)
    (broken / "student/model/model.safetensors").write_bytes(b"nonsense")
    command = [str(BIN / "wssis"), "serve", str(broken), "--port", str(free_port())]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=READY_WITHIN
    )
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].endswith("copy it again")


def test_serve_deploy_takes_the_file_of_the_repository(
    ray_head: str, run_folder: Path, tmp_path: Path, image: bytes
) -> None:
    values = yaml.safe_load((ROOT / "serve/config.yaml").read_text())
    port = free_port()
    values["http_options"] |= {"host": "127.0.0.1", "port": port}
    (tmp_path / "token").write_text("secret\n")
    few = {"cpus_each": 0, "gpus_each": 0, "max_number": None}
    arguments = values["applications"][0]["args"]
    arguments |= {
        "model": str(run_folder),
        "token_file": str(tmp_path / "token"),
        "images": [str(tmp_path)],
        "jobs": str(tmp_path / "jobs"),
        "ingresses": 1,
        "ingress_cpus": 0,
        "student": arguments["student"] | few,
        "labeller": arguments["labeller"] | few,
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values))
    deploy = [str(BIN / "serve"), "deploy", "--address", ray_head, str(tmp_path / "config.yaml")]
    subprocess.run(deploy, check=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": ""})
    url = f"http://127.0.0.1:{port}"
    wait_until_ready(url, tmp_path / "config.yaml")
    refused = httpx2.post(f"{url}/v1/segment", content=image, headers=PNG, timeout=60)
    assert refused.status_code == 401
    known = PNG | {"Authorization": "Bearer secret"}
    answer = httpx2.post(f"{url}/v1/segment", content=image, headers=known, timeout=60)
    assert answer.status_code == 200
    assert httpx2.get(f"{url}/v1/models", headers=known, timeout=60).json()["takes_jobs"] is True
    subprocess.run(
        [str(BIN / "serve"), "shutdown", "--address", ray_head, "-y"], check=True, cwd=tmp_path
    )
