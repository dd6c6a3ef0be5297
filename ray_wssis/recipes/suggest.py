"""Objects for a person to accept: images in, a COCO file of what a trained student finds out.

Nobody looked at these images, so every annotation carries `"suggested": true`, which keeps it out
of whatever reads labels until a person accepts it, and every image `"annotated": false`.
"""

import logging
from dataclasses import replace
from itertools import count

from pydantic import Field

from ray_wssis.artifacts import Artifact, Workspace
from ray_wssis.config import Config
from ray_wssis.data.coco.write import CocoWriter
from ray_wssis.data.points.draw import with_points
from ray_wssis.data.points.kind import PointKind
from ray_wssis.data.records import Object
from ray_wssis.data.survey.suggestions import SUGGESTED
from ray_wssis.instance.detections import Student, detect, detections, name_below, student_of
from ray_wssis.masks import nowhere
from ray_wssis.storage import Place
from ray_wssis.streaming.config import LabellingWorkers

SUGGESTIONS = "suggestions.json"

logger = logging.getLogger(__name__)


class SuggestConfig(Config):
    score: float = Field(default=0.3, gt=0, le=1)  # from which a found object is suggested
    labelling_workers: LabellingWorkers = LabellingWorkers()


def suggest(
    run: Place,
    images: Place,
    out: Place,
    config: SuggestConfig | None = None,
    *,
    redo: bool = False,
) -> Artifact:
    """Write `suggestions.json` to the folder `out`: what the student of `run` finds.

    An annotation has the mask, the score, and the point farthest inside the mask, where a careful
    annotator would click.  Raises ValueError for a run without an instance segmenter.
    """
    config, student = config or SuggestConfig(), student_of(run)
    return detect(
        student,
        images,
        out,
        config.score,
        lambda stage: write_suggestions(stage, images, student, config.score),
        says="Find objects to suggest",
        workers=config.labelling_workers,
        redo=redo,
    )


def write_suggestions(stage: Workspace, images: Place, student: Student, score: float) -> None:
    """Write all images that could be read, best objects first."""
    numbers = count(1)
    info = {"description": "objects that nobody has accepted", "student": student.model.digest}
    with CocoWriter(stage / SUGGESTIONS, student.categories, info) as file:
        for record, found in detections(stage, score):
            best_first = sorted(found, key=lambda each: -each.score)
            objects = tuple(
                Object(annotation_id=next(numbers), label=each.label, mask=each.mask)
                for each in best_first
            )
            image = replace(
                record,
                file=name_below(images, record.file),
                objects=objects,
                annotated=nowhere(record.height, record.width),
            )
            beside = [{"score": round(each.score, 4), SUGGESTED: True} for each in best_first]
            file.add(with_points(image, PointKind.CENTER, seed=0), beside)
    logger.info("%d objects suggested in %d images", file.num_annotations, file.num_images)
