"""Actors that leave for good, in every way there is: labelling recovers, or says why not."""

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import ray
from ray.exceptions import RuntimeEnvSetupError
from upath import UPath

from ray_wssis.data.builtin.shapes import write_shapes
from ray_wssis.data.coco.read import read_coco
from ray_wssis.streaming import crew
from ray_wssis.streaming import flow as streaming_flow
from ray_wssis.streaming.config import LabellingWorkers
from ray_wssis.streaming.crew import LabellingStopped
from ray_wssis.streaming.decode import Image
from ray_wssis.streaming.flow import MOST_REFUSED, Flow
from ray_wssis.streaming.item import Item
from ray_wssis.streaming.labeller import Infer, Row
from ray_wssis.streaming.plan import Source
from ray_wssis.streaming.shards import content_digest
from ray_wssis.streaming.stream import Pass, stream
from ray_wssis.streaming.table import read_rows
from tests.support import waiting
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("ray_session"),
]

for module in (sys.modules[__name__], waiting):  # workers cannot import tests
    ray.cloudpickle.register_pickle_by_value(module)

NUM_IMAGES = 24
WITHIN = 180  # seconds
WORKERS = LabellingWorkers(batch_size=2, shard_size=2)
NO_DEVICE = "no device, as after a GPU fell off the bus"


def be_killed_for_good() -> None:
    ray.kill(ray.get_runtime_context().current_actor, no_restart=True)
    time.sleep(WITHIN)


def be_terminated() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(WITHIN)


class Other:
    """Somebody else who uses the cluster."""

    def there(self) -> None:
        pass


WAYS: dict[str, Callable[[], Any]] = {
    "sys.exit(0)": lambda: sys.exit(0),
    "sys.exit(1)": lambda: sys.exit(1),
    "os._exit(0)": lambda: os._exit(0),
    "os._exit(1)": lambda: os._exit(1),
    "ray.kill": be_killed_for_good,
    "ray.actor.exit_actor": lambda: ray.actor.exit_actor(),
    "never": lambda: time.sleep(WITHIN),
    "SIGTERM": be_terminated,
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "SIGSEGV": lambda: os.kill(os.getpid(), signal.SIGSEGV),
}


@dataclass(frozen=True)
class Leaving:
    """A labeller whose process leaves once, at the third image, and perhaps cannot come back."""

    folder: str  # for notes
    way: str | None = None
    cannot_open: str = "never"  # or "again", or "at all", or "twice"
    num_actors: int = 1  # that are there before one leaves

    made_from = ""
    schema = pa.schema([("image_id", pa.int64()), ("mean", pa.float64())])
    network_size = (64, 64)
    canvas_multiple = 32
    needs_original = True

    @property
    def has_left(self) -> Path:
        return Path(self.folder) / "left"

    def open(self) -> Infer:
        number = len(list(Path(self.folder).glob("opened*")))
        (Path(self.folder) / f"opened{number}").touch()
        fails = {"never": False, "again": self.has_left.exists(), "at all": True}
        if fails.get(self.cannot_open, number < 2):
            raise RuntimeError(NO_DEVICE)
        (Path(self.folder) / f"ready{number}").touch()
        return self.measure

    def measure(self, images: list[Image]) -> list[Row]:
        ids = [image.record.image_id for image in images]
        if self.way is not None and 3 in ids and not self.has_left.exists():
            wait_until(lambda: len(list(Path(self.folder).glob("ready*"))) >= self.num_actors)
            self.has_left.touch()
            WAYS[self.way]()
        return [
            {"image_id": image.record.image_id, "mean": float(image.pixels.mean())}
            for image in images
        ]

    def finish(self, row: Row) -> Row:
        return row


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next actor open soon after one could not."""
    monkeypatch.setattr(crew, "PAUSE", 0.2)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> UPath:
    folder = tmp_path_factory.mktemp("few")
    annotations = write_shapes(UPath(folder / "shapes"), NUM_IMAGES, seed=0, size=64)
    read_coco(annotations, UPath(folder / "shapes/images")).write(UPath(folder / "weak.parquet"))
    return UPath(folder / "weak.parquet")


@pytest.fixture(scope="module")
def undisturbed(records: UPath, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    job = labelling(records, tmp_path_factory.mktemp("undisturbed"))
    stream(job, WORKERS)
    return content_digest(job.out)


def labelling(records: UPath, folder: Path, *leaving: Any) -> Pass:
    labeller = Leaving(str(folder), *leaving)
    return Pass(name="labels", records=[records], labeller=labeller, out=UPath(folder / "out"))


@pytest.mark.parametrize("way", [way for way in WAYS if way != "never"])
def test_an_actor_that_leaves_is_replaced(
    records: UPath, tmp_path: Path, undisturbed: dict[str, Any], way: str
) -> None:
    job, start = labelling(records, tmp_path, way), time.monotonic()
    assert stream(job, WORKERS).num_failed == 0
    assert time.monotonic() - start < WITHIN
    assert len(list(tmp_path.glob("opened*"))) == 2
    assert content_digest(job.out) == undisturbed


@pytest.mark.parametrize("way", ["sys.exit(0)", "os._exit(1)", "ray.kill"])
def test_networks_that_cannot_be_loaded_again_are_the_error_of_the_stage(
    records: UPath, tmp_path: Path, undisturbed: dict[str, Any], way: str
) -> None:
    job, start = labelling(records, tmp_path, way, "again"), time.monotonic()
    with pytest.raises(LabellingStopped, match=f"tried 3 times: RuntimeError: {NO_DEVICE}. No ima"):
        stream(job, WORKERS)
    assert time.monotonic() - start < WITHIN
    assert not any(row["error"] for row in read_rows(job.out))  # no image is to blame
    stream(labelling(records, tmp_path), WORKERS)
    assert content_digest(job.out) == undisturbed


def test_networks_that_cannot_be_loaded_at_all_are_the_error_of_the_stage(
    records: UPath, tmp_path: Path
) -> None:
    job = labelling(records, tmp_path, "sys.exit(0)", "at all")
    workers = WORKERS.model_copy(update={"number": 2})
    with pytest.raises(LabellingStopped, match=NO_DEVICE):
        stream(job, workers)
    assert not read_rows(job.out)


def test_networks_that_can_be_loaded_later_are_waited_for(
    records: UPath, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    job = labelling(records, tmp_path, "sys.exit(0)", "twice")
    assert stream(job, WORKERS).num_failed == 0
    assert content_digest(job.out) == undisturbed


def test_the_other_actors_go_on_without_one_that_cannot_come_back(
    records: UPath, tmp_path: Path, undisturbed: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    job = labelling(records, tmp_path, "os._exit(1)", "again", 2)
    workers = WORKERS.model_copy(update={"number": 2})
    assert stream(job, workers).num_failed == 0
    assert content_digest(job.out) == undisturbed
    assert "labels: a process died with 2 images" in caplog.messages


def test_a_process_that_never_answers_ends_with_the_patience(
    records: UPath, tmp_path: Path
) -> None:
    workers = WORKERS.model_copy(update={"patience": 20})  # an actor starts in less
    words = "nothing was finished for 2. s; processes: 1 labelling a batch. Finished work is kept"
    with pytest.raises(LabellingStopped, match=words):
        stream(labelling(records, tmp_path, "never"), workers)


def test_a_place_that_is_never_free_ends_with_the_patience(records: UPath, tmp_path: Path) -> None:
    others: list[Any] = [ray.remote(num_cpus=1)(Other).remote() for _ in range(4)]
    ray.get([other.there.remote() for other in others])
    workers = WORKERS.model_copy(update={"patience": 3})
    with pytest.raises(LabellingStopped, match="1 waiting for 1 CPU on a node, 2 decoding"):
        stream(labelling(records, tmp_path), workers)


def test_a_place_that_no_node_of_ours_has_is_refused_at_once(
    records: UPath, tmp_path: Path
) -> None:
    workers = WORKERS.model_copy(update={"gpus_each": 1})
    with pytest.raises(LabellingStopped, match="needs 1 GPU and 1 CPU on one node, which"):
        stream(labelling(records, tmp_path), workers)


def test_a_process_that_was_not_started_says_nothing_about_images(
    records: UPath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(records, "", (64, 64), needs_original=True)
    monkeypatch.setattr(streaming_flow, "LOOK_EVERY", 0.0)
    error = RuntimeEnvSetupError("No space left on device")
    flow = Flow("full", Leaving(str(tmp_path)), UPath(tmp_path / "out"), WORKERS, [], num_items=1)
    for _ in range(MOST_REFUSED):
        flow.died([Item(source=source, batch=[0, 1])], error)
        (again,) = flow.again.pop()
        assert again.batch == [0, 1] and not again.is_suspect
    with pytest.raises(LabellingStopped, match=r"processes cannot be started: No space left"):
        flow.died([Item(source=source, batch=[0, 1])], error)
