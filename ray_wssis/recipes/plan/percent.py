"""The share of images that keep their masks, where one file holds masks and points."""

import math

from ray_wssis.data.annotated import is_labelled
from ray_wssis.data.coco import Rejected, records_from_coco
from ray_wssis.data.coco_file import load_json
from ray_wssis.data.survey.survey import Survey
from ray_wssis.instance.split import incomplete
from ray_wssis.instance.split_config import DataConfig
from ray_wssis.recipes.plan.decision import Decision
from ray_wssis.storage import locate

FEW = 5_000  # images of which a hundredth of a percent is less than one


def choose_percent(data: DataConfig) -> Decision | None:
    """Choose the share so that every image with masks is used; None where all images have them.

    Raises ValueError for a file that cannot be read.
    """
    if data.annotations is None or data.images is None:
        return None
    rejected: list[Rejected] = []
    records = records_from_coco(
        load_json(data.annotations),
        locate(data.images),
        rejected=rejected,
        reject_masks=False,
        point_suffices=True,
        crowds=data.crowds,
        survey=Survey(),
    )
    lacking = incomplete(rejected)
    whole, pointed = 0, 0
    for record in records:
        has_masks = all(obj.mask is not None for obj in record.objects)
        if record.image_id in lacking or not has_masks:
            pointed += 1
        elif is_labelled(record):
            whole += 1
    if not pointed or not whole:
        return None
    number = whole + pointed
    digits = 2 if number < FEW else 6  # rounded up, a split takes no image more
    percent = math.ceil(10**digits * 100 * whole / number) / 10**digits
    why = f"{whole} of {number} images have a mask for every object"
    return Decision(percent, f"{why}: all are used")
