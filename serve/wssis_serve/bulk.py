"""Bulk jobs: a folder of pictures and a file of points in, a COCO file with their masks out.

A job is a folder, named by a hash of all that decides its result.  `job.json` in it says what was
asked and what became of it, so a server that is started again knows all jobs and goes on.  One
job at a time is at work, in an actor of its own; the others wait.
"""

import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from threading import Condition, Thread
from typing import Any

import ray
from pydantic import ValidationError
from ray.exceptions import RayActorError
from upath import UPath

from ray_wssis.artifacts import hash_of_values
from ray_wssis.data.records import Records
from ray_wssis.instance.label import SUMMARY
from ray_wssis.instance.split import WEAK
from ray_wssis.recipes.annotate import LABELS, Annotate, AnnotateConfig
from ray_wssis.run import ROWS
from ray_wssis.session import connect
from ray_wssis.storage import is_local, locate, names_in, read_json, write_json
from ray_wssis.streaming.config import LabellingWorkers
from ray_wssis.streaming.pool import TASK_CPUS
from ray_wssis.streaming.table import progress, read_footer
from wssis_serve.config import ServeConfig
from wssis_serve.http.errors import ApiError
from wssis_serve.http.schemas import Job, JobState
from wssis_serve.roots import resolve

NOTE = "job.json"
WORK = "labels"  # in the folder of a job: what `wssis annotate` writes
LEAST_CPUS = 0.1  # for a network
PATIENCE = 60.0  # seconds in which others may give CPUs back

logger = logging.getLogger(__name__)


class Note(Job):
    """The same with what is needed to do it."""

    run: str  # whose networks draw
    asked: str  # when it was posted last: whose turn it is
    retry_failed: bool = False  # pictures that failed in an earlier attempt

    def public(self) -> dict[str, Any]:
        return self.model_dump(include=set(Job.model_fields))


class Jobs:
    """All bulk jobs of a server.  One process at a time may have those of a folder.

    Methods raise ApiError for what a caller did.  They look into files, so they may take a moment.
    """

    def __init__(self, config: ServeConfig) -> None:
        self.roots = config.images
        self.folder = None if config.jobs is None else locate(config.jobs)
        self.changed = Condition()
        self.is_open = True
        self.actor: Any = None  # of the job that is running
        self.notes: dict[str, Note] = {}
        if self.folder is not None:
            self.notes = read_notes(self.folder)
            Thread(target=self.work, name="bulk jobs", daemon=True).start()

    def submit(self, run: str, images: str, points: str) -> dict[str, Any]:
        """Begin a job for the networks of `run`, or go on with it where it failed or was cancelled.

        In any other state it is left as it is.
        """
        folder = self.opened()
        pictures, file = resolve(images, self.roots), resolve(points, self.roots)
        job_id = identity(run, pictures, file, folder)
        with self.changed:
            known = self.notes.get(job_id)
            if known is None or known.state in ("failed", "cancelled"):
                note = Note(
                    id=job_id,
                    state="queued",
                    images=str(pictures),
                    points=str(file),
                    created=now() if known is None else known.created,
                    run=run,
                    asked=now(),
                    retry_failed=known is not None and known.state == "failed",
                )
                self.save(note)
        return self.get(job_id)

    def get(self, job_id: str) -> dict[str, Any]:
        """The job, with how far it is."""
        note = self.known(job_id)
        if note.state == "running":
            note = note.model_copy(update=figures(self.work_of(job_id)))
        return note.public()

    def list(self) -> Sequence[dict[str, Any]]:
        """All jobs, the newest first."""
        self.opened()
        with self.changed:
            notes = sorted(self.notes.values(), key=lambda note: note.created, reverse=True)
        return [self.get(note.id) for note in notes]

    def cancel(self, job_id: str) -> dict[str, Any]:
        """End a job that waits or is running.  What is done stays: posted again it goes on."""
        with self.changed:
            note = self.known(job_id)
            if note.state == "running":
                self.stop_actor()
            if note.state in ("queued", "running"):
                self.settle(note, "cancelled")
        return self.get(job_id)

    def result(self, job_id: str) -> UPath:
        """The COCO file of a job that is done."""
        note = self.known(job_id)
        if note.state != "done":
            raise ApiError(404, "not_found", f"job {job_id} is {note.state}: it has no result")
        return self.work_of(job_id) / LABELS

    def close(self) -> None:
        """Stop working.  Jobs keep their state, and whoever opens the folder next goes on."""
        with self.changed:
            self.is_open = False
            self.stop_actor()
            self.changed.notify_all()

    def opened(self) -> UPath:
        if self.folder is None:
            raise ApiError(
                404,
                "not_found",
                "this server takes no bulk jobs; its operator allows them with jobs=FOLDER, where "
                "their work is kept, and images=[FOLDER, ...], which they may read",
            )
        return self.folder

    def known(self, job_id: str) -> Note:
        self.opened()
        if job_id not in self.notes:
            raise ApiError(404, "not_found", f"there is no job {job_id[:40]!r}")
        return self.notes[job_id]

    def work_of(self, job_id: str) -> UPath:
        return self.opened() / job_id / WORK

    def save(self, note: Note) -> None:
        """To be called with the lock."""
        folder = self.opened() / note.id
        self.notes[note.id] = note
        self.changed.notify_all()
        try:
            if is_local(folder):
                folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / NOTE, note.model_dump())
        except OSError as error:  # the job itself can still be done, or says the same
            logger.error("%s cannot be written: %s", folder / NOTE, error)

    def settle(self, note: Note, state: JobState, error: str | None = None) -> None:
        """Note the end of a job, to be called with the lock."""
        ended: dict[str, Any] = {"state": state, "finished": now(), "error": error}
        if state == "done":
            ended |= final_figures(self.work_of(note.id))
            ended["result"] = f"/v1/jobs/{note.id}/result"
        else:
            ended |= figures(self.work_of(note.id))
        self.save(note.model_copy(update=ended))

    def stop_actor(self) -> None:
        """To be called with the lock, by whoever has changed or is about to change the state."""
        if self.actor is not None:
            ray.kill(self.actor)
            self.actor = None

    def work(self) -> None:
        """One job after the other, in a thread of its own."""
        while (note := self.next_note()) is not None:
            error = self.run(note)
            with self.changed:
                self.stop_actor()
                if self.is_open and self.notes[note.id].state == "running":
                    self.settle(note, "done" if error is None else "failed", error)

    def next_note(self) -> Note | None:
        """Wait for a job, the one that has waited longest; None when there is to be no more."""
        with self.changed:
            self.changed.wait_for(lambda: not self.is_open or self.waiting())
            if not self.is_open:
                return None
            note = min(self.waiting(), key=lambda note: note.asked)
            running = note.model_copy(update={"state": "running"})
            self.save(running)
            return running

    def waiting(self) -> Sequence[Note]:
        return [note for note in self.notes.values() if note.state == "queued"]

    def run(self, note: Note) -> str | None:
        """Do a job; why it could not be done."""
        try:
            connect()
            with self.changed:
                if not self.is_open or self.notes[note.id].state != "running":
                    return None  # cancelled meanwhile
                self.actor = ray.remote(num_cpus=0)(Annotator).remote()
                done = self.actor.annotate.remote(note, str(self.work_of(note.id)), self.roots)
            ray.get(done)
        except Exception as error:  # one job's trouble is not that of the next
            return sentence(error)
        return None


class Annotator:
    """The actor: a process that does one job, and may be killed at any time."""

    def annotate(self, note: Note, out: str, roots: Sequence[str]) -> None:
        config = AnnotateConfig(labelling_workers=spare_workers())
        recipe = Annotate(
            note.run, note.points, note.images, out, config, retry_failed=note.retry_failed
        )
        check_places(recipe.points.records, roots)
        recipe.label()


def read_notes(folder: UPath) -> dict[str, Note]:
    """All jobs by id; those that were running wait for their turn again."""
    notes = {}
    for name in names_in(folder):
        try:
            note = Note.model_validate(read_json(folder / name / NOTE))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (ValueError, ValidationError) as error:
            logger.warning("%s is damaged and left out: %s", folder / name / NOTE, error)
            continue
        interrupted = note.state == "running"
        notes[name] = note.model_copy(update={"state": "queued"}) if interrupted else note
    return notes


def identity(run: str, images: UPath, points: UPath, folder: UPath) -> str:
    """16 digits for the networks, the pictures' folder and the content of the file of points."""
    try:
        recipe = Annotate(run, points, images, folder)
    except ValueError as error:
        logger.info("no bulk jobs: %s", error)
        raise ApiError(
            404, "not_found", "this server takes no bulk jobs: teacher and refiner are not served"
        ) from error
    if not images.is_dir():
        message = "`images` is no folder; one of pictures is wanted"
        raise ApiError(422, "unprocessable", message)
    try:
        made_from = recipe.made_from
    except OSError as error:
        message = "the file of points cannot be read; a COCO file of points is wanted"
        raise ApiError(422, "unprocessable", message) from error
    return hash_of_values(made_from).removeprefix("sha256:")[:16]


def check_places(records: Records, roots: Sequence[str]) -> None:
    """Raise ApiError for a file of points that names a picture where callers may not read."""
    for file in records.table["file"].to_pylist():
        resolve(file, roots)


def spare_workers() -> LabellingWorkers:
    """Workers that fit in beside everything else on the cluster.

    Raises ValueError where there is no room, as a job would wait for it for ever.
    """
    until = time.monotonic() + PATIENCE
    while (free := ray.available_resources()).get("CPU", 0) < TASK_CPUS + LEAST_CPUS:
        if time.monotonic() > until:
            raise ValueError(
                f"of the cluster's CPUs {free.get('CPU', 0):g} are free and a bulk job needs "
                f"{TASK_CPUS + LEAST_CPUS:g}: give the replicas fewer (cpus_each), or Ray more"
            )
        time.sleep(1)
    gpus = int(free.get("GPU", 0))
    number = max(1, gpus)
    return LabellingWorkers(
        max_number=number,
        gpus_each=1 if gpus else 0,
        cpus_each=min(1, (free["CPU"] - TASK_CPUS) / number),
    )


def figures(out: UPath) -> dict[str, Any]:
    """How far the job is that works in `out`."""
    footer = read_footer(out / WEAK)
    num_rows, num_failed = progress(out / ROWS)
    return {
        "num_images": None if footer is None else footer.num_rows,
        "num_labelled": num_rows - num_failed,
        "num_failed": num_failed,
    }


def final_figures(out: UPath) -> dict[str, Any]:
    summary = read_json(out / SUMMARY)
    return {
        "num_images": summary["num_images"],
        "num_labelled": summary["num_images"] - summary["num_failed_images"],
        "num_failed": summary["num_failed_images"],
        "num_points": summary["num_points"],
        "num_masks": summary["num_points"] - summary["num_points_without_mask"],
    }


def sentence(error: Exception) -> str:
    """What went wrong, in words for the caller."""
    if isinstance(error, RayActorError):
        return "the process that worked on it died, perhaps for want of memory; post it again"
    said = getattr(error, "cause", None) or error  # Ray wraps what happened in an actor
    text = str(said).partition("\n")[0]
    expected = isinstance(said, ValueError | OSError | ApiError)
    return text if expected else f"{type(said).__name__}: {text}"


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
