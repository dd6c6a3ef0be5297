"""A file of suggestions, as `wssis suggest` writes it: objects to accept, by image."""

import logging
from collections.abc import Sequence
from typing import Any

from upath import UPath

from ray_wssis.data.coco.fields import whole_number
from ray_wssis.data.coco.file import load_json
from ray_wssis.data.coco.read import Rejected, records_from_coco
from ray_wssis.data.coco.write import coco_annotations
from ray_wssis.data.images.names import locate_images
from ray_wssis.data.records import Category, named
from ray_wssis.data.survey.suggestions import SUGGESTED, is_suggested

logger = logging.getLogger(__name__)


class Suggestions:
    """Objects by the names of images; only those with a mask and a score can be shown."""

    def __init__(self, file: UPath, images: str, categories: Sequence[Category]) -> None:
        """Read `file`.  Raises ValueError for one without suggestions, and for other classes."""
        data = load_json(file)
        offered = [entry for entry in data["annotations"] if is_suggested(entry)]
        if not offered:
            raise ValueError(
                f"{file}: there are no suggestions; give a file that `wssis suggest` wrote"
            )
        plain = [{k: v for k, v in entry.items() if k != SUGGESTED} for entry in offered]
        rejected: list[Rejected] = []
        records = records_from_coco(data | {"annotations": plain}, "", rejected=rejected)
        if lost := [each for each in records.categories if each not in categories]:
            raise ValueError(
                f"{file}: class {lost[0].id} {lost[0].name!r} is none of those to label, "
                f"{named(categories)}"
            )
        scores = {whole_number(entry, "id", ""): entry.get("score") for entry in plain}
        files = locate_images(images, [record.file for record in records])
        self.by_image: dict[str, list[dict[str, Any]]] = {
            files.file(record.file): [
                entry | {"score": scores[entry["id"]]}
                for entry in coco_annotations(record, records.categories)
                if "segmentation" in entry and isinstance(scores[entry["id"]], float | int)
            ]
            for record in records
        }
        num_shown = sum(map(len, self.by_image.values()))
        if num_shown < len(offered):
            logger.warning(
                "%s: %d of %d suggestions have no mask or no score, or cannot be read; "
                "they are not shown",
                file,
                len(offered) - num_shown,
                len(offered),
            )

    def of(self, name: str) -> list[dict[str, Any]]:
        """The annotations of an image, with scores."""
        return self.by_image.get(name, [])
