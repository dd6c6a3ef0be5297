"""Refusals and warnings about a split with class maps, before any training."""

import logging

from ray_wssis.data.records import Records
from ray_wssis.semantic.counts import images_of_classes
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
    _warn_of_unseen_classes(parts.strong, weak, parts.validation)


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


def _warn_of_unseen_classes(strong: Records, weak: Records, validation: Records) -> None:
    """Name classes that are tagged or validated and that no strong image shows."""
    shown = images_of_classes(strong)
    wanted = images_of_classes(weak) | images_of_classes(validation)
    unseen = [strong.categories[label].name for label in sorted(wanted - shown)]
    if unseen:
        logger.warning(
            "%d of %d classes are in weak or validation images and no strong image shows them, so "
            "nothing can teach them: %s. Try another seed, or more class maps",
            len(unseen),
            len(strong.categories),
            ", ".join([*unseen[:MOST_NAMES], *(["..."] if len(unseen) > MOST_NAMES else [])]),
        )
