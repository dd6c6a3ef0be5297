"""Images of which nobody said anything: neither masks nor points, nor that they are empty.

They are a folder of further images, those of the COCO file that nobody annotated, or, to measure
what they are worth, images whose points are hidden.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ray_wssis.data.annotated import labelled, looked_at
from ray_wssis.data.columns import image_ids
from ray_wssis.data.images.folder import read_images
from ray_wssis.data.records import Record, Records
from ray_wssis.data.renumber import renumbered_record
from ray_wssis.data.split.cut import Split
from ray_wssis.data.split.draw import in_line
from ray_wssis.instance.split_config import UNANNOTATED, DataConfig

logger = logging.getLogger(__name__)


class Unlabelled(NamedTuple):
    """Images without any label."""

    records: Records
    truth: Records | None = None  # the same images with the masks they hide, if known


def annotated_ones(
    records: Records, file: str, config: DataConfig, incomplete: set[int]
) -> tuple[Records, Records]:
    """Cut the images of `file` into those that somebody looked at, and unlabelled ones.

    There are unlabelled ones only if `config` asks for them; otherwise what nobody looked at is
    left out.  Raises ValueError if it asks and there are none.
    """
    if config.unlabelled != UNANNOTATED:
        return labelled(records, file, incomplete), records.select([])
    seen = looked_at(records, incomplete)
    if seen.all():
        raise ValueError(
            f"data.unlabelled is {UNANNOTATED}, but all {len(records)} images of {file} have an "
            'annotation or `"annotated": true`: name a folder of other images, or leave it out'
        )
    logger.info("%s: %d images that nobody annotated are unlabelled", file, int((~seen).sum()))
    return (
        records.select(np.flatnonzero(seen).tolist()),
        records.select(np.flatnonzero(~seen).tolist()),
    )


def unlabelled_images(
    config: DataConfig, parts: Split, bare: Records, validation: Records
) -> Records:
    """Return the unlabelled images that files give: a folder, or `bare` images of a COCO file.

    Those of a folder are numbered after all others, and so are bare ones whose number is taken.
    Raises ValueError for a folder without an image that is not labelled.
    """
    others = (parts.strong, parts.weak, validation)
    numbers = np.concatenate([image_ids(records) for records in others])
    highest = int(numbers.max(initial=0))
    if config.unlabelled not in (None, UNANNOTATED):
        found = read_images(config.unlabelled, parts.strong.categories, highest + 1)
        return without(found, others, config.unlabelled)
    if not np.isin(image_ids(bare), numbers).any():
        return Records.from_rows(bare, parts.strong.categories)
    lowest = int(image_ids(bare).min())
    moved = (renumbered_record(record, highest + 1 - lowest) for record in bare)
    return Records.from_rows(moved, parts.strong.categories)


def without(found: Records, others: Sequence[Records], folder: str) -> Records:
    """Leave out the images of a folder that are among the others."""
    known = {file for records in others for file in records.table["file"].to_pylist()}
    left = [i for i, file in enumerate(found.table["file"].to_pylist()) if file not in known]
    if not left:
        raise ValueError(
            f"data.unlabelled: all {len(found)} images of {folder} are labelled, so there is "
            "nothing else to learn from; name a folder of other images, or leave it out"
        )
    logger.info("%s: %d of %d images have no label", folder, len(left), len(found))
    return found.select(left)


def hide_points(parts: Split, config: DataConfig, seed: int) -> tuple[Split, Unlabelled]:
    """Hide the points of `unlabelled_percent` % of all images, drawn among the weak ones, or of all
    of those.

    As with strong images, a smaller share is part of a larger one.  Raises ValueError if too few
    images are weak.
    """
    percent = config.unlabelled_percent
    wanted = int((len(parts.strong) + len(parts.weak)) * percent / 100 + 1e-9)
    if not config.has_points:
        wanted = len(parts.weak)
    elif wanted >= len(parts.weak):
        raise ValueError(
            f"data.unlabelled_percent is {percent:g}: {wanted} images, but only {len(parts.weak)} "
            "have points, and some must keep them; choose a smaller percentage, or 100 - percent"
        )
    ids = image_ids(parts.weak).tolist()
    hidden = sorted(in_line(range(len(ids)), "unlabelled", seed, ids, ids)[:wanted])
    kept = sorted(set(range(len(ids))) - set(hidden))
    known = parts.weak_truth
    left = parts._replace(
        weak=parts.weak.select(kept), weak_truth=None if known is None else known.select(kept)
    )
    records = Records.from_rows(map(forgotten, parts.weak.select(hidden)), parts.weak.categories)
    return left, Unlabelled(records, None if known is None else known.select(hidden))


def forgotten(record: Record) -> Record:
    """Leave out everything that somebody said about an image."""
    return replace(record, objects=(), class_map=None, tags=None, annotated=None)
