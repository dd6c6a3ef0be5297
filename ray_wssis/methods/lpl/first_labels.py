"""Labels of another run that weak images begin with, for instance those of class activation maps.

They teach as far as the pseudo network is not trusted yet (`ray_wssis.methods.lpl.learner`).
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace

from upath import UPath

from ray_wssis.artifacts import Artifact, Workspace
from ray_wssis.data.class_maps.png import decode, present
from ray_wssis.data.records import Record, Records, RecordsWriter
from ray_wssis.run import Run
from ray_wssis.semantic.merge import PSEUDO_LABELS
from ray_wssis.semantic.split import WEAK
from ray_wssis.storage import Place, hash_file, locate

ByImage = Mapping[tuple[int, str], bytes | None]  # class maps, by image id and name of the file

logger = logging.getLogger(__name__)


def add_first_labels(run: Run, data: Artifact, source: Place) -> Artifact:
    """Give the weak images the class maps that the run in the folder `source` drew for them:
    `weak.parquet`.

    Raises ValueError if that run has none, or none of these images, or other classes.
    """
    file = locate(source) / "merged" / PSEUDO_LABELS
    if not file.exists():
        raise ValueError(
            f"first_labels: {source} has no merged/{PSEUDO_LABELS}; give the folder of a run with "
            "labels of the same images, for instance of the recipe cam"
        )

    def make(stage: Workspace) -> None:
        weak, drawn = Records.read(data / WEAK), Records.read(file)
        if drawn.categories != weak.categories:
            raise ValueError(f"first_labels: {source} has other classes than the data")
        maps = {key_of(record): record.class_map for record in drawn}
        number = 0
        with RecordsWriter(stage / WEAK, weak.categories) as writer:
            for record in begun(weak, maps, source):
                writer.add(record)
                number += record.class_map is not None
        if not number:
            raise ValueError(
                f"first_labels: {source} has labels of {len(drawn)} images, and none of them is "
                f"among the {len(weak)} images to learn from"
            )
        logger.info("%d of %d images with tags begin with labels", number, len(weak))

    says = "Begin with the labels of another run"
    made_from = {"weak": data.part(WEAK), "first_labels": hash_file(file)}
    return run.stage("first_labels", says, made_from, make)


def begun(weak: Records, maps: ByImage, source: Place) -> Iterator[Record]:
    """Yield the weak images, with the class maps that there are.

    Raises ValueError for one that shows what its image does not.
    """
    for record in weak:
        class_map = maps.get(key_of(record))
        shown = () if class_map is None or record.tags is None else present(decode(class_map))
        if more := set(shown) - set(record.tags or ()):
            raise ValueError(
                f"first_labels: {source} labels {record.file} as "
                f"{weak.categories[min(more)].name}, which is none of its tags; are these the "
                "same images, and is `seed` the same?"
            )
        yield replace(record, class_map=class_map)


def key_of(record: Record) -> tuple[int, str]:
    return record.image_id, UPath(record.file).name
