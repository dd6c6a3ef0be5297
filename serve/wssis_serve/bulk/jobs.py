"""Bulk jobs: a folder of images and a file of points in, a COCO file with their masks out.

A job is a folder, named by a hash of everything that decides its result.  `job.json` in it holds
what was asked and what became of it, so a restarted server knows all jobs and continues them.  One
job runs at a time, in an actor of its own; the others are queued.
"""

import logging
from collections.abc import Sequence
from threading import Condition, Thread
from typing import Any

import ray
from ray.exceptions import RayActorError
from upath import UPath

from ray_wssis.artifacts import hash_of_values
from ray_wssis.recipes.annotate import LABELS, Annotate
from ray_wssis.session import connect
from ray_wssis.storage import is_local, locate, write_json
from wssis_serve.bulk.notes import NOTE, Note, figures, final_figures, now, read_notes
from wssis_serve.bulk.worker import BulkWorker
from wssis_serve.config import ServeConfig
from wssis_serve.engines.models import find_models
from wssis_serve.errors import ApiError, unprocessable
from wssis_serve.http.schemas import JobState
from wssis_serve.roots import resolve
from wssis_serve.segmented import Kind

WORK = "labels"  # in the folder of a job: the output of `wssis annotate`

logger = logging.getLogger(__name__)


class Jobs:
    """All bulk jobs of a server.  Only one process at a time may have those of a folder.

    Methods raise ApiError for mistakes of a caller.  They read files, so they may take a moment.
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
        """Queue a job for the networks of `run`, or continue one that failed or was cancelled.

        A job in any other state is left as it is.
        """
        folder = self.opened()
        source, file = resolve(images, self.roots), resolve(points, self.roots)
        job_id = identity(run, source, file, folder)
        with self.changed:
            known = self.notes.get(job_id)
            if known is None or known.state in ("failed", "cancelled"):
                note = Note(
                    id=job_id,
                    state="queued",
                    images=str(source),
                    points=str(file),
                    created=now() if known is None else known.created,
                    run=run,
                    asked=now(),
                    retry_failed=known is not None and known.state == "failed",
                )
                self.save(note)
        return self.get(job_id)

    def get(self, job_id: str) -> dict[str, Any]:
        """The job, with its progress."""
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
        """End a queued or running job.  Finished work is kept: posted again, the job continues."""
        with self.changed:
            note = self.known(job_id)
            if note.state == "running":
                self.stop_actor()
            if note.state in ("queued", "running"):
                self.settle(note, "cancelled")
        return self.get(job_id)

    def retry(self, job_id: str) -> dict[str, Any]:
        """Queue a job that has ended once more, for the images that failed.

        A job that is queued or running, or of which no image failed, is left as it is.
        """
        with self.changed:
            note = self.known(job_id)
            is_whole = note.state == "done" and note.num_failed == 0
            if note.state not in ("queued", "running") and not is_whole:
                again = {"state": "queued", "finished": None, "error": None, "result": None}
                self.save(note.model_copy(update=again | {"asked": now(), "retry_failed": True}))
        return self.get(job_id)

    def result(self, job_id: str) -> UPath:
        """The COCO file of a finished job."""
        note = self.known(job_id)
        if note.state != "done":
            raise ApiError(404, "not_found", f"job {job_id} is {note.state}: it has no result")
        return self.work_of(job_id) / LABELS

    def close(self) -> None:
        """Stop working.  Jobs keep their state: whoever opens the folder next continues them."""
        with self.changed:
            self.is_open = False
            self.stop_actor()
            self.changed.notify_all()

    def opened(self) -> UPath:
        """The folder of all jobs.  Raises ApiError 404 when this server has none."""
        if self.folder is None:
            raise ApiError(
                404,
                "not_found",
                "this server takes no bulk jobs; its operator can allow them with jobs=FOLDER, for "
                "their work, and images=[FOLDER, ...], which they may read",
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
        """Keep a note, in memory and on disk.  Call it with the lock held."""
        folder = self.opened() / note.id
        self.notes[note.id] = note
        self.changed.notify_all()
        try:
            if is_local(folder):
                folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / NOTE, note.model_dump())
        except OSError as error:  # the job itself can still succeed, or fails with the same words
            logger.error("%s cannot be written: %s", folder / NOTE, error)

    def settle(self, note: Note, state: JobState, error: str | None = None) -> None:
        """Note the end of a job.  Call it with the lock held."""
        ended: dict[str, Any] = {"state": state, "finished": now(), "error": error}
        if state == "done":
            ended |= final_figures(self.work_of(note.id))
            ended["result"] = f"/v1/jobs/{note.id}/result"
        else:
            ended |= figures(self.work_of(note.id))
        self.save(note.model_copy(update=ended))

    def stop_actor(self) -> None:
        """End the running actor.  Call it with the lock held, just before or after a new state."""
        if self.actor is not None:
            ray.kill(self.actor)
            self.actor = None

    def work(self) -> None:
        """Do one job after the other, in a thread of its own."""
        while (note := self.next_note()) is not None:
            error = self.run(note)
            with self.changed:
                self.stop_actor()
                if self.is_open and self.notes[note.id].state == "running":
                    self.settle(note, "done" if error is None else "failed", error)

    def next_note(self) -> Note | None:
        """Wait for a job and return the oldest; None when the server closes."""
        with self.changed:
            self.changed.wait_for(lambda: not self.is_open or self.queued())
            if not self.is_open:
                return None
            note = min(self.queued(), key=lambda note: note.asked)
            running = note.model_copy(update={"state": "running"})
            self.save(running)
            return running

    def queued(self) -> Sequence[Note]:
        return [note for note in self.notes.values() if note.state == "queued"]

    def run(self, note: Note) -> str | None:
        """Do a job.  Returns None, or the reason why it failed."""
        try:
            connect()
            with self.changed:
                if not self.is_open or self.notes[note.id].state != "running":
                    return None  # cancelled in the meantime
                self.actor = ray.remote(num_cpus=0)(BulkWorker).remote()
                done = self.actor.annotate.remote(note, str(self.work_of(note.id)), self.roots)
            ray.get(done)
        except Exception as error:  # a job that fails must not take the next one with it
            return sentence(error)
        return None


def identity(run: str, images: UPath, points: UPath, folder: UPath) -> str:
    """16 digits for the networks, the folder of images and the content of the file of points."""
    try:
        recipe = Annotate(run, points, images, folder)
    except ValueError as error:
        logger.info("no bulk jobs: %s", error)
        raise ApiError(
            404, "not_found", f"this server takes no bulk jobs: {reason(run)}"
        ) from error
    if not images.is_dir():
        raise unprocessable("`images` is not a folder; wanted: a folder of images")
    try:
        made_from = recipe.made_from
    except OSError as error:
        raise unprocessable("`points` cannot be read; wanted: a COCO file of points") from error
    return hash_of_values(made_from).removeprefix("sha256:")[:16]


def reason(run: str) -> str:
    """The reason why no points can be labelled, for the caller."""
    if find_models(run).kind is Kind.SEMANTIC:
        return "they draw masks of points, and a semantic student takes none; use /v1/segment"
    return "teacher and refiner are not served"


def sentence(error: Exception) -> str:
    """The reason why a job failed, in words for the caller."""
    if isinstance(error, RayActorError):
        return "the process that worked on it died, perhaps for lack of memory; post it again"
    cause = getattr(error, "cause", None) or error  # Ray wraps the exception of an actor
    text = str(cause).partition("\n")[0]
    expected = isinstance(cause, ValueError | OSError | ApiError)
    return text if expected else f"{type(cause).__name__}: {text}"
