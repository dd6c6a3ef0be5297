"""Tags by a trained student: images in, a table of the classes that it finds in each of them out.

So recipes that learn from tags can learn from images that nobody looked at.
"""

import csv
import io
import logging
from collections.abc import Iterator, Sequence

from pydantic import Field
from upath import UPath

from ray_wssis.artifacts import Artifact, Part, Workspace, open_stage
from ray_wssis.config import Config
from ray_wssis.data.images.folder import hash_listing, read_images
from ray_wssis.data.records import Category, Records
from ray_wssis.instance.evaluate import find_instances
from ray_wssis.instance.segmenter_config import KIND
from ray_wssis.models.model_folder import categories_of, find_model, hash_model, read_description
from ray_wssis.one_command import alone_in
from ray_wssis.run import ROWS
from ray_wssis.storage import Place, locate
from ray_wssis.streaming.config import LabellingWorkers
from ray_wssis.streaming.table import RowsById

TAGS = "tags.csv"
IMAGES = "images.parquet"

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
    config, model = config or TagConfig(), find_model(locate(run))
    categories = categories_of(read_description(model, KIND))
    if odd := [category.name for category in categories if ";" in category.name]:
        raise ValueError(f"class {odd[0]}: a table of tags has no room for a name with a semicolon")
    digest = hash_model(model)
    made_from = {
        "student": digest,
        "images": str(locate(images)),
        "listing": hash_listing(images),
        "score": config.score,
    }
    with alone_in(locate(out)):
        opened = open_stage(
            out,
            made_from,
            says="Find the classes of every image",
            redo=redo,
            keep=[ROWS],
            progress=[f"{ROWS}/*"],
        )
        if isinstance(opened, Artifact):
            return opened
        find(opened, images, Part(path=model, digest=digest), categories, config)
        write_tags(opened, images, config.score)
        return opened.finish(logs=[ROWS])


def find(
    stage: Workspace,
    images: Place,
    student: Part,
    categories: Sequence[Category],
    config: TagConfig,
) -> None:
    """Write rows with the objects of every image."""
    from ray_wssis.streaming import stream  # imports Ray

    read_images(images, categories, first_id=1).write(stage / IMAGES)
    stream.stream(
        stream.Pass(
            name="tags",
            records=[stage / IMAGES],
            labeller=find_instances({"student": student}),
            out=stage / ROWS,
        ),
        config.labelling_workers,
    )


def write_tags(stage: Workspace, images: Place, score: float) -> None:
    """Write the table; its names are relative to the folder of the images."""
    records = Records.read(stage / IMAGES)
    lines = list(tagged(records, RowsById(stage / ROWS, UPath(IMAGES).stem), score))
    if not lines:
        raise ValueError(
            f"the student finds no object with a score of {score} in {len(records)} images; try a "
            "lower --score"
        )
    root, table = f"{locate(images)}".rstrip("/") + "/", io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["file", "tags"])
    writer.writerows([file.removeprefix(root), ";".join(names)] for file, names in lines)
    (stage / TAGS).write_text(table.getvalue())
    logger.info("%d of %d images have tags", len(lines), len(records))


def tagged(records: Records, rows: RowsById, score: float) -> Iterator[tuple[str, list[str]]]:
    """Yield the images in which something was found, and the names of its classes."""
    for record in records:
        row = rows.get(record.image_id)
        if row is None or row["error"] is not None:
            continue
        sure = zip(row["label"], row["score"], strict=True)
        if labels := {label for label, own in sure if own >= score}:
            yield record.file, [records.categories[label].name for label in sorted(labels)]
