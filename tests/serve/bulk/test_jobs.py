"""Bulk jobs on a real Ray, with tiny networks: done, cancelled, interrupted, failed."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import ray
from upath import UPath
from wssis_serve.bulk import worker
from wssis_serve.bulk.jobs import Jobs
from wssis_serve.bulk.notes import Note
from wssis_serve.bulk.worker import SHARD_SIZE, spare_workers
from wssis_serve.config import ServeConfig
from wssis_serve.errors import ApiError
from wssis_serve.http.schemas import Job, JobState

from ray_wssis.data.builtin.shapes import write_shapes
from ray_wssis.data.coco.read import read_coco
from ray_wssis.data.coco.write import write_coco
from ray_wssis.data.points.kind import PointKind
from ray_wssis.data.split.cut import as_weak
from ray_wssis.recipes.annotate import LABELS, Annotate
from ray_wssis.storage import read_json
from tests.support.waiting import wait_until

NUM_MANY = 4 * SHARD_SIZE  # images


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of callers: images, and files of points on all and on some of them."""
    folder = UPath(tmp_path_factory.mktemp("root"))
    annotations = write_shapes(folder, NUM_MANY, seed=0, size=64)
    everything = as_weak(read_coco(annotations, folder / "images"), PointKind.CENTROID, seed=0)
    write_coco(everything, folder / "many.json", images=folder / "images")
    write_coco(everything.select(range(3)), folder / "few.json", images=folder / "images")
    return Path(str(folder))


@pytest.fixture
def config(run_folder: Path, root: Path, tmp_path: Path) -> ServeConfig:
    return ServeConfig(model=str(run_folder), images=(str(root),), jobs=str(tmp_path / "jobs"))


@pytest.fixture
def jobs(config: ServeConfig) -> Iterator[Jobs]:
    opened = Jobs(config)
    yield opened
    opened.close()


def ended(jobs: Jobs, job_id: str) -> dict[str, Any]:
    wait_until(lambda: jobs.get(job_id)["state"] not in ("queued", "running"), seconds=240)
    return jobs.get(job_id)


def changed(root: Path, name: str, change: Callable[[dict[str, Any]], None]) -> str:
    """The few points with a change, as a file of their own."""
    content = json.loads((root / "few.json").read_text())
    change(content)
    (root / name).write_text(json.dumps(content))
    return str(root / name)


@pytest.mark.slow
def test_cancelled_and_interrupted_jobs_lose_nothing(
    jobs: Jobs, config: ServeConfig, root: Path, tmp_path: Path, ray_session: None
) -> None:
    asked = config.model, str(root / "images"), str(root / "many.json")
    first = jobs.submit(*asked)
    assert (first["state"], first["num_labelled"], first["result"]) == ("queued", 0, None)
    assert Job(**first).model_dump() == first
    assert jobs.submit(*asked)["id"] == first["id"] and len(jobs.list()) == 1

    wait_until(lambda: jobs.get(first["id"])["num_labelled"] > 0, seconds=240)
    cancelled = jobs.cancel(first["id"])
    assert cancelled["state"] == "cancelled" and cancelled["finished"] is not None
    assert 0 < cancelled["num_labelled"] < cancelled["num_images"] == NUM_MANY
    with pytest.raises(ApiError, match="is cancelled: it has no result"):
        jobs.result(first["id"])
    wait_until(lambda: ray.available_resources().get("CPU") == 4, seconds=240)

    assert jobs.submit(*asked)["id"] == first["id"]
    wait_until(
        lambda: jobs.get(first["id"])["num_labelled"] > cancelled["num_labelled"], seconds=240
    )
    jobs.close()
    interrupted = Jobs(config)
    try:
        done = ended(interrupted, first["id"])
        assert done == first | {
            "state": "done",
            "finished": done["finished"],
            "num_images": NUM_MANY,
            "num_labelled": NUM_MANY,
            "num_points": done["num_points"],
            "num_masks": done["num_masks"],
            "result": f"/v1/jobs/{first['id']}/result",
        }
        assert 0 < done["num_masks"] <= done["num_points"]
        result = interrupted.result(first["id"])
        assert read_json(result.parent / "throughput.json")["num_images"] < NUM_MANY
        assert interrupted.submit(*asked) == done and interrupted.cancel(first["id"]) == done
    finally:
        interrupted.close()

    undisturbed = Annotate(asked[0], asked[2], asked[1], tmp_path / "undisturbed").label()
    assert result.read_bytes() == (undisturbed / LABELS).read_bytes()


@pytest.mark.slow
def test_jobs_run_in_order_and_bad_ones_say_why(
    jobs: Jobs, config: ServeConfig, root: Path, ray_session: None
) -> None:
    def other_class(content: dict[str, Any]) -> None:
        content["categories"][0]["name"] = "nucleus"

    def secret(content: dict[str, Any]) -> None:
        content["images"][1]["file_name"] = "/etc/hostname"

    files = [
        str(root / "few.json"),
        changed(root, "classes.json", other_class),
        changed(root, "secret.json", secret),
        str(root / "many.json"),
    ]
    ids = [jobs.submit(config.model, str(root / "images"), file)["id"] for file in files]
    assert len(set(ids)) == 4
    assert [job["id"] for job in jobs.list()] == ids[::-1]
    assert [job["state"] for job in jobs.list()][:3] == ["queued"] * 3
    assert jobs.cancel(ids[3])["state"] == "cancelled"
    few, classes, hidden = (ended(jobs, job_id) for job_id in ids[:3])
    assert (few["state"], few["num_labelled"], few["error"]) == ("done", 3, None)
    assert classes["state"] == "failed" and classes["finished"] > few["finished"]
    assert "(1 nucleus, " in classes["error"] and "the teacher was trained for" in classes["error"]
    assert hidden["state"] == "failed"
    assert hidden["error"] == "'/etc/hostname' is not under a folder that this server may read"
    assert jobs.get(ids[3])["state"] == "cancelled"


@pytest.mark.slow
def test_a_job_whose_process_dies_fails_and_may_be_posted_again(
    jobs: Jobs, config: ServeConfig, root: Path, ray_session: None
) -> None:
    asked = config.model, str(root / "images"), str(root / "few.json")
    job_id = jobs.submit(*asked)["id"]
    wait_until(lambda: jobs.actor is not None, seconds=240)
    ray.kill(jobs.actor)
    failed = ended(jobs, job_id)
    assert (failed["state"], failed["error"]) == (
        "failed",
        "the process that worked on it died, perhaps for lack of memory; post it again",
    )
    assert jobs.submit(*asked)["error"] is None
    assert ended(jobs, job_id)["state"] == "done"


class Neighbour:
    """An actor that has reserved CPUs."""

    def is_alive(self) -> bool:
        return True


@contextmanager
def taken(num_cpus: int, left: int) -> Iterator[None]:
    """Take CPUs, so that `left` of all four are free."""
    neighbour: Any = ray.remote(num_cpus=num_cpus)(Neighbour).remote()
    try:
        ray.get(neighbour.is_alive.remote())
        wait_until(lambda: ray.available_resources().get("CPU", 0) == left, seconds=240)
        yield
    finally:
        ray.kill(neighbour)


@pytest.mark.slow
def test_a_job_takes_what_others_leave(
    jobs: Jobs,
    config: ServeConfig,
    root: Path,
    ray_session: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with taken(3, left=1):
        assert spare_workers().cpus_each == pytest.approx(0.2)
        job = jobs.submit(config.model, str(root / "images"), str(root / "few.json"))
        assert ended(jobs, job["id"])["state"] == "done"
        monkeypatch.setattr(worker, "PATIENCE", 0)
        with (
            taken(1, left=0),
            pytest.raises(ValueError, match=r"a bulk job needs 0\.9 CPUs and only 0 are free"),
        ):
            spare_workers()


def test_nothing_outside_the_roots_can_be_asked_for(
    jobs: Jobs, config: ServeConfig, root: Path, tmp_path: Path
) -> None:
    pairs = [(str(tmp_path), "few.json"), ("images", "/etc/passwd"), ("images/../..", "few.json")]
    for images, points in pairs:
        with pytest.raises(ApiError, match="is not under a folder that this server may read"):
            jobs.submit(config.model, images, points)
    assert not (tmp_path / "jobs").exists()


def test_places_that_do_not_exist(jobs: Jobs, config: ServeConfig, root: Path) -> None:
    with pytest.raises(ApiError, match="not a folder; wanted: a folder of images"):
        jobs.submit(config.model, "few.json", "few.json")
    with pytest.raises(ApiError, match="cannot be read; wanted: a COCO file of points"):
        jobs.submit(config.model, "images", "fewer.json")


def test_unknown_jobs_and_servers_that_take_none(
    jobs: Jobs, config: ServeConfig, run_folder: Path
) -> None:
    for ask in (jobs.get, jobs.cancel, jobs.result):
        with pytest.raises(ApiError, match="there is no job '0123456789abcdef'") as unknown:
            ask("0123456789abcdef")
        assert unknown.value.status == 404
    with pytest.raises(ApiError, match=r"takes no bulk jobs: teacher and refiner"):
        jobs.submit(str(run_folder / "student/model"), "images", "few.json")
    without = Jobs(config.model_copy(update={"jobs": None}))
    with pytest.raises(ApiError, match="its operator can allow them with jobs=FOLDER"):
        without.submit(config.model, "images", "few.json")
    with pytest.raises(ApiError, match="takes no bulk jobs"):
        without.list()


@pytest.mark.parametrize(
    ("state", "num_failed", "repeats"),
    [("done", 1, True), ("failed", 0, True), ("cancelled", 2, True), ("done", 0, False)],
)
def test_images_that_failed_are_tried_once_more(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, state: JobState, num_failed: int, repeats: bool
) -> None:
    done: list[Note] = []

    def pretend(note: Note) -> str:
        done.append(note)
        return "pretended"

    monkeypatch.setattr(jobs, "run", pretend)
    job_id = "0123456789abcdef"
    note = Note(
        id=job_id,
        state=state,
        images="i",
        points="p",
        created="1",
        run="r",
        asked="1",
        num_failed=num_failed,
        error="before",
    )
    with jobs.changed:
        jobs.save(note)
    asked = jobs.retry(job_id)
    if repeats:
        wait_until(lambda: jobs.get(job_id)["error"] == "pretended")
        (tried,) = done
        assert tried.retry_failed and asked["created"] == "1"
    else:
        assert asked == note.public() and not done
