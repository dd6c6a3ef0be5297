"""Tags by a trained student: images in, a table of the classes that it finds in each of them out.

So recipes that learn from tags can learn from images that nobody looked at.
"""

import csv
import io
import logging

from pydantic import Field

from ray_wssis.artifacts import Artifact, Workspace
from ray_wssis.config import Config
from ray_wssis.instance.detections import detect, detections, name_below, student_of
from ray_wssis.storage import Place
from ray_wssis.streaming.config import LabellingWorkers

TAGS = "tags.csv"

logger = logging.getLogger(__name__)


class TagConfig(Config):
    score: float = Field(default=0.5, gt=0, le=1)  # from which a found object is a tag
    labelling_workers: LabellingWorkers = LabellingWorkers()


def tag(
    run: Place, images: Place, out: Place, config: TagConfig | None = None, *, redo: bool = False
) -> Artifact:
    """Write `tags.csv` to the folder `out`: the classes that the student of `run` finds.

    Images in which it finds none have no line, since a student that finds nothing has not said
    that nothing is there.  Raises ValueError for a run without an instance segmenter, and if no
    image gets a tag.
    """
    config, student = config or TagConfig(), student_of(run)
    names = [category.name for category in student.categories]
    if odd := [name for name in names if ";" in name]:
        raise ValueError(f"class {odd[0]}: a table of tags has no room for a name with a semicolon")
    return detect(
        student,
        images,
        out,
        config.score,
        lambda stage: write_tags(stage, images, names, config.score),
        says="Find the classes of every image",
        workers=config.labelling_workers,
        redo=redo,
    )


def write_tags(stage: Workspace, images: Place, names: list[str], score: float) -> None:
    """Write the table; its names of files are relative to the folder of the images."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["file", "tags"])
    num_images = num_tagged = 0
    for record, found in detections(stage, score):
        labels = sorted({each.label for each in found})
        num_images += 1
        num_tagged += bool(labels)
        if labels:
            tags = ";".join(names[label] for label in labels)
            writer.writerow([name_below(images, record.file), tags])
    if not num_tagged:
        raise ValueError(
            f"the student finds no object with a score of {score} in {num_images} images; try a "
            "lower --score"
        )
    (stage / TAGS).write_text(table.getvalue())
    logger.info("%d of %d images have tags", num_tagged, num_images)
