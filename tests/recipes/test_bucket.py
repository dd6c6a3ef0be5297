"""Pictures, models and results in a bucket: labelling needs no shared file system."""

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
from s3fs import S3FileSystem

from ray_wssis.session import free_port
from tests.small_run import SMALL, Submitted

pytestmark = pytest.mark.slow


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The environment of somebody who may use the buckets of a server on this machine."""
    port = str(free_port())
    with (tmp_path / "server.log").open("wb") as log:
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
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    yield dict(os.environ)
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


def upload(bucket: S3FileSystem, run: Path, scratch: Path) -> None:
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


def test_from_a_bucket_into_a_bucket(
    small_run: Submitted, account: dict[str, str], tmp_path: Path
) -> None:
    bucket = S3FileSystem()
    upload(bucket, small_run.folder, tmp_path)
    changes = [
        *SMALL,
        "data.shapes=null",
        "data.strong=s3://data/s.json",
        "data.weak=s3://data/w.json",
        "data.validation=s3://data/s.json",
        "data.images=s3://data/images",
        "teacher.ready=s3://data/teacher",
        "refiner.ready=s3://data/refiner",
    ]
    changes = [change for change in changes if not change.startswith("data.shapes.")]
    words = [word for change in changes for word in ("--set", change)]
    line = [sys.executable, "-m", "ray_wssis.cli", "label", "--config", "shapes"]
    for said in ("images to do", "labels: nothing to do"):  # the second time
        done = subprocess.run(
            [*line, "--out", "s3://data/run", *words],
            env=account,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        assert said in done.stderr
    name = "shapes_25p_sw_refined.json"
    there = annotations(bucket.cat(f"data/run/merged/{name}").decode())
    here = annotations((small_run.folder / "merged" / name).read_text())
    assert there == here
