"""Refusals and warnings about a split with class maps, before any training."""

import logging

from ray_wssis.data.class_maps.png import UNKNOWN
from ray_wssis.data.class_maps.tags import background_of
from ray_wssis.data.records import Records
from ray_wssis.semantic.counts import images_of_classes, num_pixels
from ray_wssis.semantic.sources import Gathered

MOST_NAMES = 5  # classes that a message names

logger = logging.getLogger(__name__)


def check_parts(parts: Gathered, weak: Records) -> None:
    """Check the parts of a split; `weak` is as networks see it.

    Raises ValueError if no strong or no validation image shows a class.
    """
    _check_shows("strong", parts.strong, "there is nothing to teach")
    _check_shows("validation", parts.validation, "there is nothing to validate on")
    _warn_of_missing_tags(weak)
    wanted = images_of_classes(weak) | images_of_classes(parts.validation)
    unseen = wanted - images_of_classes(parts.strong)
    in_vain = "are in weak or validation images and no strong image shows them"
    _warn_of_untaught(unseen, parts.strong, in_vain, "Try another seed, or more class maps")


def check_tags_alone(weak: Records, validation: Records) -> None:
    """Check the images of a split whose class maps teach nothing.

    Raises ValueError if no weak image has the tag of a class, or no validation image shows one.
    """
    _check_shows("validation", validation, "there is nothing to validate on")
    _warn_of_missing_tags(weak)
    tagged = images_of_classes(weak)
    if not set(tagged) - set(background_of(weak.categories)):
        raise ValueError(
            f"there is nothing to teach: none of the {len(weak)} weak images has the tag of a class"
        )
    in_vain = "are in validation images and no image has their tag"
    unseen = images_of_classes(validation) - tagged
    _warn_of_untaught(unseen, weak, in_vain, "Tag some images with them")


def check_sparse(sparse: Records, validation: Records) -> None:
    """Check the training images with sparse labels, and the validation images.

    Raises ValueError if no validation image shows a class.
    """
    _check_shows("validation", validation, "there is nothing to validate on")
    annotated = {label for label, number in enumerate(num_pixels(sparse)[:UNKNOWN]) if number}
    unseen = (images_of_classes(sparse) | images_of_classes(validation)) - annotated
    in_vain = "are in the images and no training image has an annotated pixel of them"
    _warn_of_untaught(unseen, sparse, in_vain, "Annotate some")


def _check_shows(part: str, records: Records, consequence: str) -> None:
    if not images_of_classes(records):
        raise ValueError(
            f"{consequence}: none of the {len(records)} {part} images has a class map with a pixel "
            "of a class. Give class maps for some images"
        )


def _warn_of_missing_tags(weak: Records) -> None:
    untagged = [record for record in weak if record.tags is None]
    if untagged:
        logger.warning(
            "%d of %d weak images have no tags, for instance %s: nobody said which classes they "
            "show, so any may be there",
            len(untagged),
            len(weak),
            untagged[0].file,
        )


def _warn_of_untaught(labels: set[int], records: Records, in_vain: str, wanted: str) -> None:
    """Name the classes that nothing can teach."""
    unseen = [records.categories[label].name for label in sorted(labels)]
    if unseen:
        logger.warning(
            "%d of %d classes %s, so nothing can teach them: %s. %s",
            len(unseen),
            len(records.categories),
            in_vain,
            ", ".join([*unseen[:MOST_NAMES], *(["..."] if len(unseen) > MOST_NAMES else [])]),
            wanted,
        )
