"""The data of a semantic run whose training images have sparse labels, as records.

No training image has a full class map; each has one that is unknown where nobody annotated.  Some
images with full class maps are kept from training, to audit with.
"""

import logging
from dataclasses import replace
from typing import Any, NamedTuple

from ray_wssis.data.class_maps.pairs import settle
from ray_wssis.data.class_maps.tags import Tags, background_of
from ray_wssis.data.problem import Problems
from ray_wssis.data.records import Record, Records
from ray_wssis.data.sparse.draw import with_sparse_maps
from ray_wssis.data.sparse.given import with_given_labels
from ray_wssis.semantic.counts import counts
from ray_wssis.semantic.draw import draw_audit
from ray_wssis.semantic.sources import Gathered
from ray_wssis.semantic.split_config import SemanticDataConfig
from ray_wssis.storage import locate

logger = logging.getLogger(__name__)


class SparseParts(NamedTuple):
    """Training images of a data set; its validation images are elsewhere."""

    sparse: Records  # with sparse class maps, each with an annotated pixel
    truth: Records  # the same images with the class maps that are known
    audit: Records  # other images, with full class maps


def cut_sparse(config: SemanticDataConfig, parts: Gathered, seed: int) -> SparseParts:
    """Cut the training images in two, and forget the class maps of the larger part.

    Raises ValueError if nothing is annotated.
    """
    images = parts.weak if has_full_maps(config) else _without_maps(parts.weak)
    mapped = [place for place, record in enumerate(images) if record.class_map is not None]
    _, audit = draw_audit(images.select(mapped), config.audit, seed)
    held_out = {record.image_id for record in audit}
    rest = [record for record in images if record.image_id not in held_out]
    drawn = _with_labels(Records.from_rows(rest, images.categories), config, seed)
    annotated = [place for place, record in enumerate(drawn) if is_annotated(record)]
    if not annotated:
        raise ValueError(
            f"there is nothing to teach: none of the {len(rest)} training images has an annotated "
            "pixel. Give class maps to draw sparse labels from, or files of sparse labels"
        )
    if len(annotated) < len(rest):
        bare = next(record for record in drawn if not is_annotated(record))
        logger.warning(
            "%d of %d training images have no annotated pixel and are left out, for instance %s",
            len(rest) - len(annotated),
            len(rest),
            bare.file,
        )
    always = background_of(images.categories)
    sparse = (_tagged(drawn[place], parts.said or {}, always) for place in annotated)
    return SparseParts(
        Records.from_rows(sparse, images.categories),
        Records.from_rows([rest[place] for place in annotated], images.categories),
        audit,
    )


def is_annotated(record: Record) -> bool:
    """Tell whether a sparse class map has an annotated pixel; its tags are those classes."""
    return record.class_map is not None and bool(record.tags)


def has_full_maps(config: SemanticDataConfig) -> bool:
    """Tell whether the class maps of a folder are others than its sparse labels."""
    if config.folder is None or config.sparse_labels is None:
        return True
    return locate(config.folder.class_maps) not in map(locate, config.sparse_labels.labels)


def _without_maps(images: Records) -> Records:
    return Records.from_rows((replace(x, class_map=None) for x in images), images.categories)


def _tagged(record: Record, said: Tags, always: tuple[int, ...]) -> Record:
    """Add the tags that somebody said, and background, to those of the annotated classes."""
    tags = {*(record.tags or ()), *said.get(record.image_id, ()), *always}
    return replace(record, tags=tuple(sorted(tags)))


def _with_labels(images: Records, config: SemanticDataConfig, seed: int) -> Records:
    """Replace class maps by sparse ones, drawn or given."""
    if config.sparse is not None:
        own = config.sparse.seed
        return with_sparse_maps(images, config.sparse, seed if own is None else own)
    assert config.sparse_labels is not None
    problems = Problems()
    given = with_given_labels(images, config.sparse_labels, problems)
    settle(problems)
    return given


def sparse_counts(sparse: Records) -> dict[str, Any]:
    """Count images, annotated pixels of each class, and name the classes without any."""
    counted = counts(sparse)
    bare = [name for name, number in counted["num_pixels_per_class"].items() if not number]
    return counted | {"classes_without_annotation": bare}
