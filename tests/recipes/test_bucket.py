"""Pictures, models, results and whole runs in a bucket: no shared file system is needed."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from upath import UPath

from ray_wssis.patient_s3 import PatientS3
from ray_wssis.session import free_port
from ray_wssis.training.metrics_log import read_metrics
from tests.support.small_run import SMALL, Submitted
from tests.support.training_workers import held_in_a_step
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def account(
    small_run: Submitted, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The environment of somebody who may use the buckets of a server on this machine, of which
    `data` has what a small run was made from, and its models."""
    folder, port = tmp_path_factory.mktemp("server"), str(free_port())
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-p", port], stdout=log, stderr=log
        )
    address = f"http://127.0.0.1:{port}"
    wait_for(address)
    variables = {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        PatientS3.clear_instance_cache()  # each knows the address of the first who asked
        upload(PatientS3(), small_run.folder, folder)
        yield dict(os.environ)
    PatientS3.clear_instance_cache()
    process.terminate()
    process.wait(timeout=30)


def wait_for(address: str) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    pytest.fail(f"no answer from {address}")


def upload(bucket: PatientS3, run: Path, scratch: Path) -> None:
    """The split of a run as somebody else's files, and its models."""
    bucket.mkdir("data")
    bucket.put(str(run / "split/shapes/images"), "data/images", recursive=True)
    for part in ("s", "w"):
        file = json.loads((run / f"split/shapes_25p_{part}.json").read_text())
        for image in file["images"]:
            image["file_name"] = Path(image["file_name"]).name
        (scratch / f"{part}.json").write_text(json.dumps(file))
        bucket.put(str(scratch / f"{part}.json"), f"data/{part}.json")
    for model in ("teacher", "refiner"):
        bucket.put(str(run / model / "model"), f"data/{model}", recursive=True)


def annotations(text: str) -> dict[int, str]:
    """Masks by id."""
    file = json.loads(text)
    return {entry["id"]: entry["segmentation"]["counts"] for entry in file["annotations"]}


def changes(*more: str) -> list[str]:
    """Options of a small run whose data is in the bucket."""
    small = [change for change in SMALL if not change.startswith("data.shapes.")]
    data = [
        "data.shapes=null",
        "data.strong=s3://data/s.json",
        "data.weak=s3://data/w.json",
        "data.validation=s3://data/s.json",
        "data.images=s3://data/images",
    ]
    return [word for change in (*small, *data, *more) for word in ("--set", change)]


def test_from_a_bucket_into_a_bucket(small_run: Submitted, account: dict[str, str]) -> None:
    bucket = PatientS3()
    ready = [f"{model}.ready=s3://data/{model}" for model in ("teacher", "refiner")]
    line = [sys.executable, "-m", "ray_wssis.cli", "label", "--config", "shapes"]
    for said in ("images to do", "labels: nothing to do"):  # the second time
        done = subprocess.run(
            [*line, "--out", "s3://data/run", *changes(*ready)],
            env=account,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        assert done.returncode == 0, done.stderr
        assert said in done.stderr
    name = "shapes_25p_sw_refined.json"
    there = annotations(bucket.cat(f"data/run/merged/{name}").decode())
    here = annotations((small_run.folder / "merged" / name).read_text())
    assert there == here


def test_a_whole_run_in_a_bucket(
    small_run: Submitted, account: dict[str, str], tmp_path: Path
) -> None:
    """Terminated in its first training, then given again, and again."""
    bucket = PatientS3(use_listings_cache=False)
    bucket.mkdir("runs")
    line = [sys.executable, "-m", "ray_wssis.cli", "run", "--config", "shapes"]
    line += ["--out", "s3://runs/one", *changes()]
    said = tmp_path / "said"
    with said.open("w") as stream:
        first = subprocess.Popen(line, env=account, stdout=stream, stderr=stream)
    wait_until(lambda: bucket.exists("runs/one/teacher/metrics.jsonl"))  # its first step
    with held_in_a_step():
        first.terminate()
        wait_until(lambda: "Stop requested" in said.read_text())
    assert first.wait(timeout=300) == 143
    assert said.read_text().endswith("The same command continues from here.\n")
    assert bucket.glob("runs/one/teacher/ray_train/checkpoint_*/state.pt")
    assert not bucket.exists("runs/one/teacher/manifest.json")

    second = subprocess.run(line, env=account, capture_output=True, text=True, check=False)
    assert second.returncode == 0, second.stderr
    assert "teacher continues" in second.stderr and "split: nothing to do" in second.stderr
    assert b"<html" in bucket.cat("runs/one/report/index.html")
    assert bucket.glob("runs/one/student/tensorboard/events*")
    for stage in ("teacher", "refiner", "student"):
        there = read_metrics(UPath(f"s3://runs/one/{stage}"))
        here = read_metrics(UPath(small_run.folder / stage))
        losses = {x["step"]: x["loss"] for x in there if "loss" in x}
        assert losses[here[-1]["step"]] == pytest.approx(
            {x["step"]: x["loss"] for x in here if "loss" in x}[here[-1]["step"]], rel=1e-2
        )

    before = bucket.find("runs/one", detail=True)
    third = subprocess.run(line, env=account, capture_output=True, text=True, check=False)
    assert third.returncode == 0, third.stderr
    assert "report: nothing to do" in third.stderr and "done in" not in third.stderr
    after = bucket.find("runs/one", detail=True)
    assert {k: x["ETag"] for k, x in after.items()} == {k: x["ETag"] for k, x in before.items()}
