"""The data of a run: strong pictures, weak pictures and validation pictures, as records.

They come from one of three places: the built-in shapes, one fully labelled COCO file that is cut
by percentage, or a strong and a weak file that somebody else cut.
"""

import json
import logging
from dataclasses import replace
from typing import Any

from pydantic import Field, model_validator
from upath import UPath

from ray_wssis.artifacts import Artifact, Workspace, open_stage
from ray_wssis.config import Config
from ray_wssis.data.coco import read_coco
from ray_wssis.data.points import PointKind, with_points
from ray_wssis.data.records import Category, Records
from ray_wssis.data.shapes import write_shapes
from ray_wssis.data.split import Split, as_weak, count_classes, split_records
from ray_wssis.data.split_files import split_name, write_split
from ray_wssis.storage import hash_file, locate

STRONG = "strong.parquet"
WEAK = "weak.parquet"
WEAK_TRUTH = "weak_truth.parquet"  # the weak pictures with the masks they hide
ALL = "all.parquet"  # strong and weak pictures with all true masks
VALIDATION = "val.parquet"
ID_COLUMNS = ("image_id", "annotation_id")

logger = logging.getLogger(__name__)


class ShapesConfig(Config):
    """The built-in data set, drawn from a seed."""

    num_images: int = Field(default=400, ge=2)  # to learn from
    num_validation_images: int = Field(default=100, ge=1)
    size: int = Field(default=128, ge=64)  # pixels, both sides


class DataConfig(Config):
    """Exactly one of `shapes`, `annotations`, or `strong` with `weak`."""

    name: str = "instances"  # output files begin with it
    shapes: ShapesConfig | None = None
    annotations: str | None = None  # a fully labelled COCO file
    strong: str | None = None  # a COCO file with masks
    weak: str | None = None  # a COCO file with points, or boxes instead; masks are not looked at
    images: str | None = None  # folder or URI of the pictures
    weak_images: str | None = None  # of the weak file, if elsewhere
    validation: str | None = None  # a COCO file with masks; null: held out of `annotations`
    validation_images: str | None = None
    validation_percent: float = Field(default=20, gt=0, lt=100)  # held out where there is no file
    percent: float = Field(default=10, gt=0, lt=100)  # of the pictures that keep their masks
    point: PointKind = PointKind.CENTROID  # how points are drawn from masks

    @model_validator(mode="after")
    def check_source(self) -> "DataConfig":
        given = [
            self.shapes is not None,
            self.annotations is not None,
            self.strong is not None or self.weak is not None,
        ]
        if sum(given) != 1:
            raise ValueError("give exactly one of shapes, annotations, or strong with weak")
        if given[2] and (self.strong is None or self.weak is None or self.validation is None):
            raise ValueError("strong and weak go together, and need a validation file")
        if not given[0] and self.images is None:
            raise ValueError("images is missing: the folder of the pictures")
        return self

    def files(self) -> list[str]:
        named = [self.annotations, self.strong, self.weak, self.validation]
        return [file for file in named if file is not None]


def split(config: DataConfig, seed: int, folder: UPath, *, redo: bool) -> Artifact:
    """Strong, weak and validation records in `folder`, and the COCO files of the split.

    Where the weak pictures' masks are known, `weak_truth.parquet` and `all.parquet` are there
    too: only to measure, nothing is learnt from them but an upper bound.
    """
    hashes = {file: hash_file(file) for file in config.files() if UPath(file).exists()}
    stage = open_stage(folder, {"data": config, "files": hashes}, redo=redo, seed=seed)
    if isinstance(stage, Artifact):
        return stage
    validation, parts = gather(config, seed, stage)
    made_how = {"percent": config.percent, "seed": seed, "point_kind": str(config.point)}
    write_split(parts, stage.folder, split_name(config.name, config.percent), made_how)
    parts.strong.write(stage / STRONG)
    parts.weak.write(stage / WEAK)
    pointed(validation, config.point, seed).write(stage / VALIDATION)
    if parts.weak_truth is not None:
        parts.weak_truth.write(stage / WEAK_TRUTH)
        everything = Records.from_rows([*parts.strong, *parts.weak_truth], parts.strong.categories)
        everything.write(stage / ALL)
    return stage.finish()


def gather(config: DataConfig, seed: int, stage: Workspace) -> tuple[Records, Split]:
    """Validation records, and the rest in two parts."""
    if config.strong is not None and config.weak is not None:
        return gather_given(config, seed, config.strong, config.weak)
    if config.shapes is not None:
        total = config.shapes.num_images + config.shapes.num_validation_images
        annotations = write_shapes(stage / "shapes", total, seed, size=config.shapes.size)
        everything = read_coco(annotations, stage / "shapes" / "images")
        validation = everything.select(range(config.shapes.num_images, total))
        learnt = everything.select(range(config.shapes.num_images))
    else:
        assert config.annotations is not None and config.images is not None
        learnt = read_coco(config.annotations, locate(config.images))
        if config.validation is not None:
            validation = read_validation(config, learnt.categories)
        else:
            held_out = split_records(learnt, config.validation_percent, seed + 1, config.point)
            if held_out.weak_truth is None:
                raise ValueError(
                    f"{config.annotations}: not every object has a mask, so no validation "
                    f"pictures can be held out; give a validation file"
                )
            validation, learnt = held_out.strong, held_out.weak_truth
    return validation, split_records(learnt, config.percent, seed, config.point)


def gather_given(config: DataConfig, seed: int, strong: str, weak: str) -> tuple[Records, Split]:
    """Files that were split elsewhere.  Points that are missing are drawn from the masks."""
    assert config.images is not None
    strong_records = read_coco(strong, locate(config.images))
    weak_records = read_coco(
        weak, locate(config.weak_images or config.images), boxes_as_points=True
    )
    weak_records = of_classes(strong_records.categories, weak_records, weak)
    check_categories(strong, strong_records.categories, weak, weak_records.categories)
    weak_records = renumbered(weak_records, strong_records)
    known = all(mask is not None for record in weak_records for mask in record.masks)
    parts = Split(
        strong=pointed(strong_records, config.point, seed),
        weak=as_weak(weak_records, config.point, seed),
        weak_truth=pointed(weak_records, config.point, seed) if known else None,
    )
    return read_validation(config, strong_records.categories), parts


def of_classes(known: tuple[Category, ...], weak: Records, file: str) -> Records:
    """The weak records without the objects of classes that only their file lists.

    A teacher cannot learn those, so there is no mask to be had for their points.
    """
    unknown = [category.name for category in weak.categories if category not in known]
    if not unknown or not set(known) <= set(weak.categories):
        return weak
    label_of = {
        label: known.index(category)
        for label, category in enumerate(weak.categories)
        if category in known
    }
    counts = count_classes(weak)
    logger.warning(
        "%s: %d objects are left out, their classes are not in the strong file: %s",
        file,
        sum(counts[name] for name in unknown),
        ", ".join(unknown),
    )
    kept = (
        record.keep(i for i, label in enumerate(record.labels) if label in label_of)
        for record in weak
    )
    return Records.from_rows(
        (replace(record, labels=[label_of[label] for label in record.labels]) for record in kept),
        known,
    )


def renumbered(weak: Records, strong: Records) -> Records:
    """The weak records, with a power of ten added to all ids where the strong ones have the same.

    Converters number every file from 1, and both come into one training set.
    """
    if not any(ids(weak, column) & ids(strong, column) for column in ID_COLUMNS):
        return weak
    taken = max(max(ids(strong, column), default=0) for column in ID_COLUMNS)
    lowest = min(min(ids(weak, column), default=0) for column in ID_COLUMNS)
    more = 10 ** len(str(max(taken - lowest, 0)))
    logger.info("ids of weak pictures and objects are taken by strong ones: %d is added", more)
    return Records.from_rows(
        (
            replace(
                record,
                image_id=record.image_id + more,
                annotation_ids=[number + more for number in record.annotation_ids],
            )
            for record in weak
        ),
        weak.categories,
    )


def ids(records: Records, column: str) -> set[int]:
    """All numbers in a column, or in the lists of a column."""
    values = records.table[column].combine_chunks()
    return set((values.flatten() if column == "annotation_id" else values).to_pylist())


def pointed(records: Records, kind: PointKind, seed: int) -> Records:
    """The same records with a point for every mask."""
    return Records.from_rows(
        (with_points(record, kind, seed) for record in records), records.categories
    )


def read_validation(config: DataConfig, categories: tuple[Category, ...]) -> Records:
    assert config.validation is not None
    images = config.validation_images or config.images
    assert images is not None
    records = read_coco(config.validation, locate(images))
    check_categories("the training file", categories, config.validation, records.categories)
    return records


def check_categories(
    first: str, ours: tuple[Category, ...], second: str, theirs: tuple[Category, ...]
) -> None:
    if ours != theirs:
        odd = sorted({(c.id, c.name) for c in ours} ^ {(c.id, c.name) for c in theirs})
        raise ValueError(
            f"{second} has other categories than {first}: {odd[:5]} are not in both; "
            f"give both files the same list"
        )


def read_split_manifest(folder: UPath) -> dict[str, Any]:
    """Counts and classes of the two parts, as `write_split` noted them."""
    (file,) = folder.glob("*_split.json")
    manifest: dict[str, Any] = json.loads(file.read_text())
    return manifest
