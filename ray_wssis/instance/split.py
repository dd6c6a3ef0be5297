"""The data of a run: strong, weak and validation images, as records.

They come from one of three places: the built-in shapes, one fully labelled COCO file that is cut
by percentage, or a strong and a weak file that were cut elsewhere.  Some of the strong images are
kept from the teacher, to audit it with.
"""

import json
import logging
from dataclasses import replace
from itertools import chain
from typing import Any, NamedTuple

from upath import UPath

from ray_wssis.artifacts import Artifact, Workspace
from ray_wssis.data.builtin.shapes import write_shapes
from ray_wssis.data.coco.read import Rejected, read_coco
from ray_wssis.data.columns import lack_masks, lack_points
from ray_wssis.data.images.folder import hash_listing
from ray_wssis.data.images.shared import warn_of_shared_images
from ray_wssis.data.mirrored_classes import mirrored_pairs
from ray_wssis.data.points.clicked import LEAST_CLICKS, Floats, click_depths, with_clicked_points
from ray_wssis.data.points.draw import with_points
from ray_wssis.data.points.kind import PointKind
from ray_wssis.data.records import Category, Records
from ray_wssis.data.renumber import id_offset, renumbered
from ray_wssis.data.split.checks import check_points, check_teaches, check_validates
from ray_wssis.data.split.cut import (
    Split,
    as_weak,
    cut_records,
    draw_audit,
    split_records,
)
from ray_wssis.data.split.files import counts, split_name, write_split
from ray_wssis.instance.split_classes import check_categories, of_classes
from ray_wssis.instance.split_config import CLICKED, UNANNOTATED, DataConfig
from ray_wssis.instance.unlabelled import (
    Unlabelled,
    annotated_ones,
    hide_points,
    unlabelled_images,
)
from ray_wssis.run import Run
from ray_wssis.storage import hash_file, locate

STRONG = "strong.parquet"
TAUGHT = "taught.parquet"  # the strong images that teacher and refiner learn from
AUDIT = "audit.parquet"  # the other strong images
WEAK = "weak.parquet"
WEAK_TRUTH = "weak_truth.parquet"  # the weak images with the masks they hide
UNLABELLED = "unlabelled.parquet"  # images of which nothing is known, if the run has any
UNLABELLED_TRUTH = "unlabelled_truth.parquet"  # the same with the masks they hide
ALL = "all.parquet"  # strong and weak images with all true masks
VALIDATION = "val.parquet"
REJECTED = "rejected.jsonl"  # weak annotations that cannot be used
NUM_REASONS = 3  # of rejected annotations, in the log

logger = logging.getLogger(__name__)


class Gathered(NamedTuple):
    """The content of the files that a run starts from."""

    validation: Records
    parts: Split
    rejected: list[Rejected]  # with the ids of `parts`
    bare: Records  # images that nobody annotated, if they are wanted


def split(run: Run, config: DataConfig) -> Artifact:
    """Split the data into strong, weak and validation records, and COCO files of them.

    The strong records are there a second time in two parts, taught and audit.  Weak annotations
    that cannot be used are in `rejected.jsonl`; the other points of their images are kept.  If the
    masks of the weak images are known, `weak_truth.parquet` and `all.parquet` are there too: only
    to measure, and nothing but an upper bound learns from them.  Images without any label are in
    `unlabelled.parquet`.
    """
    hashes = {file: hash_file(file) for file in config.files() if UPath(file).is_file()}
    made_from: dict[str, Any] = {"data": config, "files": hashes}
    if config.unlabelled not in (None, UNANNOTATED):
        made_from["unlabelled"] = hash_listing(config.unlabelled)
    return run.stage(
        "split",
        "Split the data into masks and points",
        made_from,
        lambda stage: write_parts(config, run.config.seed, stage),
    )


def write_parts(config: DataConfig, seed: int, stage: Workspace) -> None:
    validation, whole, rejected, bare = gather(config, seed, stage)
    parts, unlabelled = whole, Unlabelled(unlabelled_images(config, whole, bare, validation))
    if config.unlabelled_percent:
        parts, unlabelled = hide_points(whole, config, seed)
    check_teaches(parts.strong)
    check_validates(validation)
    if config.has_points:
        check_points(parts.weak, rejected)
    warn_of_shared_images(
        {"strong": parts.strong, "weak": parts.weak, "unlabelled": unlabelled.records}
        | {"validation": validation}
    )
    if config.annotations is not None and parts.weak_truth is not None:
        logger.info(
            "%d images have masks of which only points are learnt, because data.percent is %g; "
            "the masks tell how good those are that are drawn for the points",
            *(len(parts.weak), config.percent),
        )
    taught, audit = draw_audit(parts.strong, config.audit, seed)
    if config.audit and not len(audit):
        logger.warning(
            "none of the %d strong images can be spared for the audit, so nothing will tell how "
            "good the pseudo masks are: more images with masks are needed",
            len(parts.strong),
        )
    if pairs := mirrored_pairs(parts.strong.categories):
        logger.info(
            "%d pairs of classes are each other's mirror image, for instance %s and %s: a flip "
            "swaps them",
            len(pairs),
            *pairs[0],
        )
    made_how = {
        "percent": config.percent,
        "seed": seed,
        "point_kind": str(config.point),
        "taught": counts(taught),
        "audit": counts(audit),
    }
    if config.has_unlabelled:
        made_how["num_unlabelled_images"] = len(unlabelled.records)
    write_split(parts, stage.folder, split_name(config.name, config.percent), made_how)
    write_rejected(rejected, stage / REJECTED)
    for name, records in ((STRONG, parts.strong), (TAUGHT, taught), (AUDIT, audit)):
        records.write(stage / name)
    parts.weak.write(stage / WEAK)
    pointed(validation, config.point_kind, seed).write(stage / VALIDATION)
    if config.has_unlabelled:
        unlabelled.records.write(stage / UNLABELLED)
    if unlabelled.truth is not None:
        unlabelled.truth.write(stage / UNLABELLED_TRUTH)
    if parts.weak_truth is not None and whole.weak_truth is not None:
        parts.weak_truth.write(stage / WEAK_TRUTH)
        lacking = incomplete(rejected)
        known = (record for record in whole.weak_truth if record.image_id not in lacking)
        Records.from_rows(chain(parts.strong, known), parts.strong.categories).write(stage / ALL)


def write_rejected(rejected: list[Rejected], file: UPath) -> None:
    """A line of JSON for each, and one warning for all."""
    lines = (
        json.dumps(
            {
                "image_id": entry.image_id,
                "annotation_id": entry.annotation_id,
                "stage": "points",
                "reason": entry.reason,
            }
        )
        for entry in rejected
    )
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    if rejected:
        reasons = [f"annotation {x.annotation_id}: {x.reason}" for x in rejected[:NUM_REASONS]]
        logger.warning(
            "%d weak annotations cannot be used and are left out (all are in %s): %s%s",
            len(rejected),
            file.name,
            "; ".join(reasons),
            "; ..." if len(rejected) > NUM_REASONS else "",
        )


def gather(config: DataConfig, seed: int, stage: Workspace) -> Gathered:
    """Read the validation records, and the rest in two parts.

    In one file that mixes masks and points, only annotations without a mask can be rejected.
    """
    rejected: list[Rejected] = []
    bare: Records | None = None
    if config.strong is not None:
        if config.weak is None:
            return gather_pointless(config, seed, config.strong)
        return gather_given(config, seed, config.strong, config.weak)
    if config.shapes is not None:
        total = config.shapes.num_images + config.shapes.num_validation_images
        annotations = write_shapes(stage / "shapes", total, seed, size=config.shapes.size)
        everything = read_coco(annotations, stage / "shapes" / "images")
        validation = everything.select(range(config.shapes.num_images, total))
        learnt = everything.select(range(config.shapes.num_images))
    else:
        assert config.annotations is not None and config.images is not None
        learnt = read_coco(
            config.annotations,
            locate(config.images),
            rejected=rejected,
            reject_masks=False,
            point_suffices=True,
            crowds=config.crowds,
        )
        learnt, bare = annotated_ones(learnt, config.annotations, config, incomplete(rejected))
        depths = wanted_depths(config, learnt)
        learnt = as_clicked(learnt, depths, seed)
        if config.validation is not None:
            validation = read_validation(config, learnt.categories)
            validation = as_clicked(validation, depths, seed)
        else:
            held_out = cut_records(
                learnt, config.validation_percent, seed + 1, config.point_kind, incomplete(rejected)
            )
            if not held_out.knows_masks:
                raise ValueError(
                    f"{config.annotations}: not every object has a mask, so no validation "
                    f"images can be held out; give a validation file"
                )
            validation, learnt = held_out.strong, held_out.rest
    parts = split_records(learnt, config.percent, seed, config.point_kind, incomplete(rejected))
    return Gathered(validation, parts, rejected, learnt.select([]) if bare is None else bare)


def incomplete(rejected: list[Rejected]) -> set[int]:
    """Return the ids of the images that have an object of which the records know nothing."""
    return {entry.image_id for entry in rejected if entry.image_id is not None}


def gather_given(config: DataConfig, seed: int, strong: str, weak: str) -> Gathered:
    """Read files that were split elsewhere.  Missing points are drawn from the masks."""
    assert config.images is not None
    strong_records = read_coco(strong, locate(config.images), crowds=config.crowds)
    rejected: list[Rejected] = []
    weak_records = read_coco(
        weak,
        locate(config.weak_images or config.images),
        boxes_as_points=True,
        rejected=rejected,
        point_suffices=True,
        crowds=config.crowds,
    )
    weak_records, bare = annotated_ones(weak_records, weak, config, incomplete(rejected))
    weak_records = of_classes(strong_records.categories, weak_records, weak)
    check_categories(strong, strong_records.categories, weak, weak_records.categories)
    offset = id_offset(weak_records, strong_records)
    if offset:
        logger.info("weak ids are also those of strong images or objects: adding %d", offset)
        weak_records = renumbered(weak_records, offset)
        rejected = [renumbered_rejection(entry, offset) for entry in rejected]
    known = not lack_masks(weak_records).any()
    validation = read_validation(config, strong_records.categories)
    depths = wanted_depths(config, strong_records)
    weak_records, strong_records, validation = (
        as_clicked(records, depths, seed) for records in (weak_records, strong_records, validation)
    )
    parts = Split(
        strong=pointed(strong_records, config.point_kind, seed),
        weak=as_weak(weak_records, config.point_kind, seed),
        weak_truth=pointed(weak_records, config.point_kind, seed) if known else None,
    )
    return Gathered(validation, parts, rejected, bare)


def gather_pointless(config: DataConfig, seed: int, strong: str) -> Gathered:
    """Read a file of masks; of all other images nobody said anything."""
    assert config.images is not None
    records = read_coco(strong, locate(config.images), crowds=config.crowds)
    records, bare = annotated_ones(records, strong, config, set())
    validation = read_validation(config, records.categories)
    depths = wanted_depths(config, records)
    records, validation = (as_clicked(each, depths, seed) for each in (records, validation))
    records = pointed(records, config.point_kind, seed)
    return Gathered(validation, Split(records, records.select([]), None), [], bare)


def renumbered_rejection(entry: Rejected, offset: int) -> Rejected:
    """Add `offset` to the ids of a rejection."""
    return replace(
        entry,
        image_id=None if entry.image_id is None else entry.image_id + offset,
        annotation_id=None if entry.annotation_id is None else entry.annotation_id + offset,
    )


def pointed(records: Records, kind: PointKind, seed: int) -> Records:
    """Add a point to every mask."""
    return records.changed(lambda record: with_points(record, kind, seed), lack_points(records))


def wanted_depths(config: DataConfig, clicked: Records) -> Floats | None:
    """Measure where people click in `clicked`; None if `config` does not ask for that.

    Raises ValueError when too few clicks on objects with masks are known.
    """
    if config.point != CLICKED:
        return None
    depths = click_depths(clicked)
    if depths.size < LEAST_CLICKS:
        raise ValueError(
            f"data.point is {CLICKED}, but only {depths.size} objects have a mask and a point that "
            f"somebody clicked, and {LEAST_CLICKS} are needed: click on more objects that have "
            "masks, or choose centroid, random or center"
        )
    return depths


def as_clicked(records: Records, depths: Floats | None, seed: int) -> Records:
    """Add points to masks where people click, if that is known."""
    return records if depths is None else with_clicked_points(records, depths, seed)


def read_validation(config: DataConfig, categories: tuple[Category, ...]) -> Records:
    """Read the validation file, whose classes must be those of the training file."""
    assert config.validation is not None
    images = config.validation_images or config.images
    assert images is not None
    records = read_coco(config.validation, locate(images), crowds=config.crowds)
    check_categories("the training file", categories, config.validation, records.categories)
    return records
