"""The notes of bulk jobs: what was asked, and what became of it, in the folder of each job."""

import logging
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from upath import UPath

from ray_wssis.instance.label import SUMMARY
from ray_wssis.instance.split import WEAK
from ray_wssis.run import ROWS
from ray_wssis.storage import names_in, read_json
from ray_wssis.streaming.table import progress, read_footer
from wssis_serve.http.schemas import Job

NOTE = "job.json"

logger = logging.getLogger(__name__)


class Note(Job):
    """A job as callers see it, and what is needed to do it."""

    run: str  # whose networks draw
    asked: str  # when it was last posted; the oldest is next
    retry_failed: bool = False  # images that failed in an earlier attempt

    def public(self) -> dict[str, Any]:
        return self.model_dump(include=set(Job.model_fields))


def read_notes(folder: UPath) -> dict[str, Note]:
    """All jobs by id; interrupted ones are queued again."""
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


def figures(out: UPath) -> dict[str, Any]:
    """Progress of the job that works in `out`."""
    footer = read_footer(out / WEAK)
    num_rows, num_failed = progress(out / ROWS)
    return {
        "num_images": None if footer is None else footer.num_rows,
        "num_labelled": num_rows - num_failed,
        "num_failed": num_failed,
    }


def final_figures(out: UPath) -> dict[str, Any]:
    """Counts of the finished job in `out`."""
    summary = read_json(out / SUMMARY)
    return {
        "num_images": summary["num_images"],
        "num_labelled": summary["num_images"] - summary["num_failed_images"],
        "num_failed": summary["num_failed_images"],
        "num_points": summary["num_points"],
        "num_masks": summary["num_points"] - summary["num_points_without_mask"],
    }


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
