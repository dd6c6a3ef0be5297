import socket
import subprocess
import sys
from pathlib import Path

import pytest
from wssis_serve.command import ask_to_reload, is_loopback, open_socket, run
from wssis_serve.config import TOKEN_VARIABLE, ReplicaConfig, ServeConfig
from wssis_serve.one_machine.node import check_gpus


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.3.2.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("192.0.2.7", False),
        ("example.org", False),
    ],
)
def test_loopback_addresses(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_other_machines_need_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    with pytest.raises(ValueError, match="there is no token"):
        run(ServeConfig(model="/nowhere"), "0.0.0.0", 8000)


def test_a_taken_port_is_reported() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"port {port} of 127.0.0.1 is taken"):
            open_socket("127.0.0.1", port)
    with open_socket("127.0.0.1", port) as free:
        assert free.getsockname() == ("127.0.0.1", port)


def test_replicas_do_not_wait_for_gpus_that_are_not_there() -> None:
    config = ServeConfig(
        model="m",
        student=ReplicaConfig(number=2, gpus_each=0.5),
        labeller=ReplicaConfig(gpus_each=1),
    )
    check_gpus(config, True, 2)
    check_gpus(config, False, 1)
    with pytest.raises(ValueError, match="want 2 GPUs and this machine has 1: lower"):
        check_gpus(config, True, 1)


def test_a_reload_without_an_endpoint_says_so() -> None:
    with pytest.raises(ValueError, match="nothing answers there"):
        ask_to_reload("/model", "127.0.0.1", 1)


def test_a_wrong_folder_is_reported_before_anything_starts(tmp_path: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "ray_wssis.cli", "serve", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stderr.splitlines()
    imported = {line.rpartition("|")[2].strip() for line in lines if "import time" in line}
    assert done.returncode == 1
    assert not {"ray", "torch", "fastapi"} & imported
    (sentence,) = (line for line in lines if "import time" not in line)
    assert sentence.startswith(f"{tmp_path}: not a model folder")
