"""The objects that a trained student finds in a folder of images that nobody looked at."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from upath import UPath

from ray_wssis.artifacts import Artifact, Part, Workspace, open_stage
from ray_wssis.data.images.folder import hash_listing, read_images
from ray_wssis.data.records import Category, Record, Records
from ray_wssis.instance.evaluate import find_instances
from ray_wssis.instance.label import FAILED
from ray_wssis.instance.segmenter_config import KIND
from ray_wssis.models.model_folder import categories_of, find_model, hash_model, read_description
from ray_wssis.one_command import alone_in
from ray_wssis.run import ROWS
from ray_wssis.storage import Place, locate
from ray_wssis.streaming.config import LabellingWorkers
from ray_wssis.streaming.table import RowsById

IMAGES = "images.parquet"

logger = logging.getLogger(__name__)


class Student(NamedTuple):
    model: Part
    categories: tuple[Category, ...]


class Detection(NamedTuple):
    label: int
    score: float
    mask: bytes  # run-length counts


def student_of(run: Place) -> Student:
    """Find the student of a run.  Raises ValueError for a run without an instance segmenter."""
    model = find_model(locate(run))
    categories = categories_of(read_description(model, KIND))
    return Student(Part(path=model, digest=hash_model(model)), categories)


def detect(
    student: Student,
    images: Place,
    out: Place,
    score: float,
    write: Callable[[Workspace], None],
    *,
    says: str,
    workers: LabellingWorkers,
    redo: bool,
) -> Artifact:
    """Find the objects of every image in a folder, and `write` what is made of them to `out`.

    `score` is part of what the result is made from.
    """
    made_from = {
        "student": student.model.digest,
        "images": str(locate(images)),
        "listing": hash_listing(images),
        "score": score,
    }
    with alone_in(locate(out)):
        opened = open_stage(
            out, made_from, says=says, redo=redo, keep=[ROWS], progress=[f"{ROWS}/*"]
        )
        if isinstance(opened, Artifact):
            return opened
        find(opened, images, student, workers)
        note_failed(opened)
        write(opened)
        return opened.finish(logs=[ROWS])


def find(stage: Workspace, images: Place, student: Student, workers: LabellingWorkers) -> None:
    """Write rows with the objects of every image."""
    from ray_wssis.streaming import stream  # imports Ray

    read_images(images, student.categories, first_id=1).write(stage / IMAGES)
    stream.stream(
        stream.Pass(
            name="detections",
            records=[stage / IMAGES],
            labeller=find_instances({"student": student.model}),
            out=stage / ROWS,
        ),
        workers,
    )


def note_failed(stage: Workspace) -> None:
    """Write the images that failed to `failed.jsonl`, a line of JSON for each, and warn of them."""
    failed = [
        {"image_id": record.image_id, "file": record.file, "reason": row["error"]}
        for record, row in each_image(stage)
        if row["error"] is not None
    ]
    (stage / FAILED).write_text("".join(json.dumps(line) + "\n" for line in failed))
    if failed:
        logger.warning("%d images failed and are left out, see %s", len(failed), stage / FAILED)


def detections(stage: Workspace, score: float) -> Iterator[tuple[Record, list[Detection]]]:
    """Yield the images that could be read, each with its objects of at least this score."""
    for record, row in each_image(stage):
        if row["error"] is None:
            found = map(Detection, row["label"], row["score"], row["mask"])
            yield record, [each for each in found if each.score >= score]


def each_image(stage: Workspace) -> Iterator[tuple[Record, dict[str, Any]]]:
    rows = RowsById(stage / ROWS, UPath(IMAGES).stem)
    for record in Records.read(stage / IMAGES):
        row = rows.get(record.image_id)
        assert row is not None, f"image {record.image_id}"
        yield record, row


def name_below(images: Place, file: str) -> str:
    """The name of a file relative to the folder of the images."""
    return file.removeprefix(f"{locate(images)}".rstrip("/") + "/")
