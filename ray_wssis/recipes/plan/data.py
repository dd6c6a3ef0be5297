"""Choices about the data that only the file with the masks, as people made it, can tell."""

import math

from ray_wssis.data.annotated import is_labelled
from ray_wssis.data.coco.file import load_json
from ray_wssis.data.coco.read import Rejected, records_from_coco
from ray_wssis.data.points.clicked import LEAST_CLICKS, click_depths
from ray_wssis.data.records import Records
from ray_wssis.data.survey.survey import Survey
from ray_wssis.instance.split import incomplete
from ray_wssis.instance.split_config import CLICKED, DataConfig
from ray_wssis.recipes.plan.decision import Decision
from ray_wssis.storage import locate

FEW = 5_000  # images of which a hundredth of a percent is less than one


def choose_data(data: DataConfig) -> dict[str, Decision]:
    """Choose `percent` and `point` where the data tell; neither for the built-in shapes.

    Raises ValueError for a file that cannot be read.
    """
    file = data.annotations or data.strong
    if file is None or data.images is None:
        return {}
    rejected: list[Rejected] = []
    records = records_from_coco(
        load_json(file),
        locate(data.images),
        rejected=rejected,
        reject_masks=False,
        point_suffices=True,
        crowds=data.crowds,
        survey=Survey(),
    )
    chosen = {"point": choose_point(records)}
    if data.annotations is not None:
        chosen["percent"] = choose_percent(records, incomplete(rejected))
    return {key: decision for key, decision in chosen.items() if decision is not None}


def choose_percent(records: Records, lacking: set[int]) -> Decision | None:
    """Choose the share so that every image with masks is used; None where all images have them.

    The images in `lacking` have objects of which the records know nothing.
    """
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


def choose_point(records: Records) -> Decision | None:
    """Let the points on masks lie where people click.

    None where too few clicks tell that, or nothing is left to point at.
    """
    depths = click_depths(records)
    everywhere = all(obj.point for record in records for obj in record.objects)
    if depths.size < LEAST_CLICKS or everywhere:
        return None
    beside, outer = 100 * (depths < 0).mean(), 100 * (depths < 0.5).mean()
    return Decision(
        CLICKED,
        f"{depths.size} objects have a mask and a click: {outer:.0f} % of the clicks are in the "
        f"outer half of their object or beside it, {beside:.0f} % beside it",
    )
