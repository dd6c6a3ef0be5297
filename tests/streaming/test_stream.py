"""Ray around the workers: every image once, whatever is wrong with it."""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import ray
from upath import UPath

from ray_wssis.artifacts import Artifact
from ray_wssis.data.records import Records
from ray_wssis.instance.split import STRONG, WEAK
from ray_wssis.streaming.config import LabellingWorkers
from ray_wssis.streaming.decode import Image
from ray_wssis.streaming.labeller import Infer, Row
from ray_wssis.streaming.shards import content_digest
from ray_wssis.streaming.stream import Pass, stream
from ray_wssis.streaming.table import read_rows
from ray_wssis.streaming.throughput import TooManyFailures

pytestmark = pytest.mark.slow

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import tests

WORKERS = LabellingWorkers(batch_size=2, shard_size=2)


@dataclass(frozen=True)
class Measure:
    """A labeller: the mean brightness of each image.  Notes in a file what it was shown."""

    note: str
    cannot: int = -1
    dies_of: int = -1
    made_from: str = "first"

    schema = pa.schema([("image_id", pa.int64()), ("mean", pa.float64()), ("finished", pa.bool_())])
    network_size = (64, 64)
    canvas_multiple = 32
    needs_original = True

    def open(self) -> Infer:
        return self.measure

    def measure(self, images: list[Image]) -> list[Row]:
        ids = [image.record.image_id for image in images]
        with Path(self.note).open("a") as stream:
            stream.write(json.dumps(ids) + "\n")
        if self.dies_of in ids:
            os._exit(1)
        if self.cannot in ids:
            raise RuntimeError("no memory on the device")
        return [
            {"image_id": image.record.image_id, "mean": float(image.pixels.mean())}
            for image in images
        ]

    def finish(self, row: Row) -> Row:
        return row | {"finished": True}


@pytest.fixture
def note(tmp_path: Path) -> Path:
    return tmp_path / "shown.jsonl"


@pytest.fixture
def job(data: Artifact, tmp_path: Path, note: Path, ray_session: None) -> Pass:
    """All images of the weak file, copied so that a test may change it."""
    records = Records.read(data / WEAK)
    records.write(UPath(tmp_path / WEAK))
    return Pass(
        name="measure",
        records=[UPath(tmp_path / WEAK)],
        labeller=Measure(str(note)),
        out=UPath(tmp_path / "out"),
    )


def shown(note: Path) -> list[int]:
    """Ids of the images that a worker was shown."""
    lines = note.read_text().splitlines() if note.exists() else []
    return sorted(image_id for line in lines for image_id in json.loads(line))


def image_ids(job: Pass) -> list[int]:
    return sorted(record.image_id for file in job.records for record in Records.read(file))


def change(job: Pass, place: int, **fields: Any) -> int:
    """Another first record; the id of its image."""
    (file,) = job.records
    records = Records.read(file)
    rows = [replace(each, **fields) if i == place else each for i, each in enumerate(records)]
    Records.from_rows(rows, records.categories).write(file)
    return rows[place].image_id


def errors(job: Pass) -> dict[int, tuple[str, str]]:
    """Stage and reason of the images that failed."""
    rows = read_rows(job.out)
    return {row["image_id"]: (row["stage"], row["error"]) for row in rows if row["error"]}


def test_every_image_of_every_source_has_its_rows_once(job: Pass, data: Artifact) -> None:
    both = replace(job, records=[data / STRONG, *job.records])
    done = stream(both, WORKERS)
    rows = read_rows(job.out)
    assert [row["image_id"] for row in rows] == image_ids(both)
    strong = {record.image_id for record in Records.read(data / STRONG)}
    assert {row["image_id"] for row in rows if row["source"] == "strong"} == strong
    assert all(row["mean"] > 0 and row["finished"] and row["error"] is None for row in rows)
    assert (done.num_images, done.num_failed) == (len(rows), 0)
    assert done.bottleneck in ("decode", "model", "encode") and min(done.busy.values()) > 0


def test_what_is_done_is_not_done_again(job: Pass, note: Path) -> None:
    stream(job, WORKERS)
    digest = content_digest(job.out)
    note.unlink()
    assert stream(job, WORKERS).num_images == 0
    assert not note.exists() and content_digest(job.out) == digest


def test_a_changed_point_is_all_that_is_done_again(job: Pass, note: Path) -> None:
    stream(job, WORKERS)
    note.unlink()
    first, *others = Records.read(job.records[0])[3].objects
    changed = change(job, 3, objects=(replace(first, point=(1.5, 2.5)), *others))
    stream(job, WORKERS)
    assert shown(note) == [changed]
    assert [row["image_id"] for row in read_rows(job.out)] == image_ids(job)


def test_another_network_does_everything_again(job: Pass, note: Path) -> None:
    stream(job, WORKERS)
    note.unlink()
    stream(replace(job, labeller=Measure(str(note), made_from="second")), WORKERS)
    assert shown(note) == image_ids(job)
    assert [row["image_id"] for row in read_rows(job.out)] == image_ids(job)


def test_images_that_cannot_be_used_are_rows_with_a_reason(job: Pass, tmp_path: Path) -> None:
    gone = change(job, 0, file=str(tmp_path / "gone.png"))
    (tmp_path / "cut.png").write_bytes(Path(Records.read(job.records[0])[1].file).read_bytes()[:99])
    cut = change(job, 1, file=str(tmp_path / "cut.png"))
    huge = change(job, 2, width=20_000, height=20_000)
    done = stream(job, WORKERS)
    found = errors(job)
    assert {image_id: stage for image_id, (stage, _) in found.items()} == {
        gone: "read",
        cut: "decode",
        huge: "read",
    }
    assert "gone.png: there is no such file" in found[gone][1]
    assert "20000 x 20000 pixels; at most 100 megapixels" in found[huge][1]
    assert done.num_failed == 3
    assert [row["image_id"] for row in read_rows(job.out)] == image_ids(job)


def test_images_that_failed_are_tried_again_when_asked(
    job: Pass, note: Path, tmp_path: Path
) -> None:
    whole = Path(Records.read(job.records[0])[0].file)
    missing = change(job, 0, file=str(tmp_path / "later.png"))
    stream(job, WORKERS)
    note.unlink()
    (tmp_path / "later.png").write_bytes(whole.read_bytes())
    stream(job, WORKERS)
    assert list(errors(job)) == [missing]
    stream(job, WORKERS, retry_failed=True)
    assert not errors(job) and shown(note) == [missing]
    assert [row["image_id"] for row in read_rows(job.out)] == image_ids(job)


def test_an_image_that_the_network_cannot_take_fails_alone(job: Pass, note: Path) -> None:
    bad = image_ids(job)[2]
    stream(replace(job, labeller=Measure(str(note), cannot=bad)), WORKERS)
    assert list(errors(job)) == [bad]
    assert errors(job)[bad][1].endswith("RuntimeError: no memory on the device")


def test_an_image_that_kills_its_process_fails_alone(job: Pass, note: Path) -> None:
    bad = image_ids(job)[2]
    stream(replace(job, labeller=Measure(str(note), dies_of=bad)), WORKERS)
    assert errors(job) == {bad: ("model", "each process that worked on it died; out of memory?")}
    assert [row["image_id"] for row in read_rows(job.out)] == image_ids(job)


def test_too_many_failures_stop_and_lose_nothing(job: Pass, note: Path, tmp_path: Path) -> None:
    for place in range(2):
        change(job, place, file=str(tmp_path / "gone.png"))
    with pytest.raises(TooManyFailures, match=r"2 images failed, more than .*gone\.png"):
        stream(job, WORKERS, max_failures=1)
    stream(job, WORKERS, max_failures=2)
    assert len(errors(job)) == 2 and len(read_rows(job.out)) == len(image_ids(job))
    with pytest.raises(TooManyFailures):
        stream(job, WORKERS, max_failures=1)  # also when they failed before


@pytest.fixture
def full_disk(job: Pass) -> Iterator[Pass]:
    """Nothing can be written where the shards should go: a file is there."""
    Path(str(job.out)).write_text("in the way")
    yield job


def test_shards_that_cannot_be_written_stop_with_a_reason(full_disk: Pass) -> None:
    with pytest.raises(
        OSError, match=r"measure: .*out cannot be written: .*give the command again"
    ):
        stream(full_disk, WORKERS)
    Path(str(full_disk.out)).unlink()
    stream(full_disk, WORKERS)
    assert [row["image_id"] for row in read_rows(full_disk.out)] == image_ids(full_disk)


def test_a_damaged_shard_is_done_again(job: Pass, note: Path) -> None:
    stream(job, WORKERS)
    digest = content_digest(job.out)
    shard = sorted(Path(str(job.out)).glob("*.parquet"))[0]
    shard.write_bytes(shard.read_bytes()[:50])
    note.unlink()
    stream(job, WORKERS)
    assert len(shown(note)) == 2 and content_digest(job.out) == digest
