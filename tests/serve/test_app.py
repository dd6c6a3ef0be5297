"""The application on a real Ray Serve, also while processes die."""

import os
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from ray import serve
from wssis_serve.app import build

from ray_wssis.session import free_port
from tests.support.tiny_run import write_run
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

PNG = {"Content-Type": "image/png"}
NAME = f"endpoint_{os.getpid()}"
NUM_CLIENTS = 4


@pytest.fixture(scope="module")
def other_run(run_folder: Path) -> Path:
    return write_run(run_folder.parent / "other", seed=1)


@pytest.fixture(scope="module")
def application(ray_session: None, run_folder: Path) -> Iterator[str]:
    """The address of an endpoint with two students."""
    port = free_port()
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    values = {
        "model": str(run_folder),
        "ingress_cpus": 0,
        "student": {"number": 2, "cpus_each": 0, "threads": 1},
        "labeller": {"cpus_each": 0, "threads": 1},
        "max_waiting": 8,
    }
    serve.run(build(values), name=NAME)
    yield f"http://127.0.0.1:{port}"
    serve.shutdown()


@pytest.fixture
def client(application: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=application, timeout=60) as client:
        yield client


@contextmanager
def load(url: str, image: bytes) -> Iterator[Counter[int]]:
    """Clients that ask all the time; yields the number of answers by status, 0 for no answer."""
    statuses, over = Counter[int](), threading.Event()

    def ask() -> None:
        with httpx2.Client(base_url=url, timeout=60) as client:
            while not over.is_set():
                try:
                    answer = client.post("/v1/segment", content=image, headers=PNG)
                    statuses[answer.status_code] += 1
                except httpx2.TransportError:
                    statuses[0] += 1

    threads = [threading.Thread(target=ask) for _ in range(NUM_CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        over.set()
        for thread in threads:
            thread.join()


def answer_more(statuses: Counter[int], number: int) -> None:
    """Wait for this many extra answers."""
    enough = statuses[200] + number
    wait_until(lambda: statuses[200] >= enough)


def students() -> list[int]:
    """Process ids; Ray gives its processes titles."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True)
    lines = (line.split(maxsplit=1) for line in listed.stdout.splitlines())
    return [int(pid) for pid, title in lines if f"{NAME}:Student" in title]


def test_answers_are_those_of_one_process(client: httpx2.Client, served: str, image: bytes) -> None:
    form = {"points": '[{"x": 80, "y": 80, "class": "ring"}]', "threshold": "0.1"}
    for route in ("/v1/segment", "/v1/segment/points"):
        files = {"image": ("a.png", image)}
        expected = httpx2.post(f"{served}{route}", data=form, files=files, timeout=60)
        answer = client.post(route, data=form, files=files)
        assert answer.status_code == 200
        assert answer.json() == expected.json()


def test_errors_come_through_as_they_were_raised(client: httpx2.Client, image: bytes) -> None:
    form = {"points": '[{"x": 800, "y": 80, "class": "ring"}]'}
    answer = client.post("/v1/segment/points", data=form, files={"image": ("a.png", image)})
    assert answer.status_code == 422
    assert "outside the 160 x 160" in answer.json()["error"]["message"]
    reload = client.post("/v1/models/reload", json={"model": "/etc"})
    assert reload.status_code == 404


def test_a_reload_loses_no_request(
    application: str, client: httpx2.Client, image: bytes, run_folder: Path, other_run: Path
) -> None:
    before = client.get("/v1/models").json()
    with load(application, image) as statuses:
        for model in (other_run, run_folder, other_run):
            after = client.post("/v1/models/reload", json={"model": str(model)}).json()
            answer_more(statuses, 20)
    assert set(statuses) == {200}
    assert hashes(after) != hashes(before)
    for _ in range(8):  # whichever replica answers
        answer = client.post("/v1/segment", content=image, headers=PNG).json()
        assert answer["model"]["hash"] == after["models"][0]["hash"]
    broken = client.post("/v1/models/reload", json={"model": str(run_folder.parent)})
    assert broken.status_code == 422
    assert hashes(client.get("/v1/models").json()) == hashes(after)


def hashes(models: dict[str, Any]) -> list[str]:
    """What runs a network is chosen after the reload, so answers about it may differ."""
    return [model["hash"] for model in models["models"]]


def test_a_killed_replica_costs_at_most_its_pending_requests(
    application: str, client: httpx2.Client, image: bytes
) -> None:
    model = client.get("/v1/models").json()["models"][0]["hash"]
    with load(application, image) as statuses:
        for _ in range(2):
            wait_until(lambda: len(students()) == 2, every=0.2)
            os.kill(students()[0], signal.SIGKILL)
            answer_more(statuses, 20)
        wait_until(lambda: len(students()) == 2, every=0.2)
        answer_more(statuses, 20)
    failed = statuses.total() - statuses[200]
    assert failed <= 2 * NUM_CLIENTS
    for _ in range(8):  # the new replicas serve what was chosen, not what was configured
        answer = client.post("/v1/segment", content=image, headers=PNG).json()
        assert answer["model"]["hash"] == model


def test_excess_requests_are_told_to_come_later(application: str, image: bytes) -> None:
    answers: list[httpx2.Response] = []

    def ask() -> None:
        url = f"{application}/v1/segment"
        answers.append(httpx2.post(url, content=image, headers=PNG, timeout=60))

    threads = [threading.Thread(target=ask) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = Counter(answer.status_code for answer in answers)
    assert set(counts) == {200, 503}
    for answer in answers:
        if answer.status_code == 503:
            assert answer.json()["error"]["code"] == "overloaded"
            assert int(answer.headers["Retry-After"]) >= 1


def test_concurrent_images_share_passes_of_the_network(
    application: str, client: httpx2.Client, image: bytes
) -> None:
    with load(application, image) as statuses:
        answer_more(statuses, 40)
    text = client.get("/metrics").text
    (passes,) = (
        line for line in text.splitlines() if line.startswith('wssis_batch_size_bucket{le="1.0"')
    )
    (all_of,) = (line for line in text.splitlines() if line.startswith("wssis_batch_size_count"))
    assert float(passes.split()[1]) < float(all_of.split()[1])
