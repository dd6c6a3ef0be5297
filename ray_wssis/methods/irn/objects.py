"""True objects of the images, to measure with: nothing but an upper bound learns from them."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from upath import UPath

from ray_wssis.artifacts import Artifact, Workspace
from ray_wssis.data.builtin.semantic_shapes import true_objects
from ray_wssis.data.class_maps.tags import background_of
from ray_wssis.data.coco.read import read_coco
from ray_wssis.data.records import Category, Object, Record, Records
from ray_wssis.methods.irn.clicks import CLICKED, only_points
from ray_wssis.run import Run
from ray_wssis.semantic.sources import other_files
from ray_wssis.semantic.split import ALL, AUDIT, VALIDATION, WEAK, WEAK_TRUTH
from ray_wssis.semantic.split_config import SemanticDataConfig
from ray_wssis.storage import locate

HIDDEN = "hidden.parquet"  # the images that nothing is known of but tags

ObjectsOf = Callable[[Record], tuple[Object, ...]]


def find_objects(
    run: Run, data: Artifact, config: SemanticDataConfig, *, clicks: bool = False
) -> Artifact:
    """Write the true objects of the parts of a split, their classes without background.

    `hidden.parquet` and `all.parquet`, of the images with tags alone and of all to learn from, are
    there if the masks of all of them are known; `clicked.parquet` is there if `clicks` are wanted.
    Raises ValueError if they are, and no image with tags alone has one.
    """

    def make(stage: Workspace) -> None:
        objects_of = source_of(config, run.config.seed)
        audit, weak, validation = (
            with_objects(Records.read(data / part), objects_of)
            for part in (AUDIT, WEAK, VALIDATION)
        )
        audit.write(stage / AUDIT)
        validation.write(stage / VALIDATION)
        if clicks:
            write_clicks(data, objects_of, stage)
        if (data / WEAK_TRUTH).exists():
            weak.write(stage / HIDDEN)
            Records.from_rows([*audit, *weak], weak.categories).write(stage / ALL)

    says = "Find the true objects, to measure with"
    made_from = {"split": data, "data": config, **({"clicks": clicks} if clicks else {})}
    return run.stage("objects", says, made_from, make)


def write_clicks(data: Artifact, objects_of: ObjectsOf, stage: Workspace) -> None:
    """Write the points of the objects of audit and weak images, and nothing else of them."""
    audit, weak = (Records.read(data / part) for part in (AUDIT, WEAK))
    clicked, also = (
        [only_points(replace(record, objects=objects_of(record))) for record in part]
        for part in (weak, audit)
    )
    if not any(record.objects for record in clicked):
        raise ValueError(
            f"clicks is true, but none of the {len(weak)} images to learn from has an object with "
            "a point; give points in data.annotations, or leave clicks out"
        )
    Records.from_rows([*clicked, *also], weak.categories).write(stage / CLICKED)


def source_of(config: SemanticDataConfig, seed: int) -> ObjectsOf:
    """Return a function from the record of an image to its true objects, labels of the split."""
    if (shapes := config.semantic_shapes) is not None:
        return lambda record: true_objects(
            int(UPath(record.file).stem) - 1, seed, shapes.size, shapes.rare
        )
    assert config.annotations is not None and config.images is not None
    folder = locate(config.images)
    known = {
        record.file: tuple(replace(obj, label=obj.label + 1) for obj in record.objects)
        for file in (*other_files(config), config.annotations)  # the last one counts
        for record in read_coco(file, folder, boxes_as_points=True, point_suffices=True)
    }
    return lambda record: known[record.file]


def with_objects(records: Records, objects_of: ObjectsOf) -> Records:
    """Give records their objects, numbered from 1 on; class maps and tags are left out."""
    categories, new_label = classes_of(records.categories)

    def filled() -> Iterator[Record]:
        number = 0
        for record in records:
            objects = []
            for obj in objects_of(record):
                number += 1
                objects.append(replace(obj, annotation_id=number, label=new_label[obj.label]))
            yield replace(record, objects=tuple(objects), class_map=None, tags=None)

    return Records.from_rows(filled(), categories)


def classes_of(categories: tuple[Category, ...]) -> tuple[list[Category], dict[int, int]]:
    """Return the classes of objects, those but background, and their labels by old label."""
    kept = [label for label in range(len(categories)) if label not in background_of(categories)]
    return [categories[label] for label in kept], {old: new for new, old in enumerate(kept)}
