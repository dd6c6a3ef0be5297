"""Masks to review, as an audit lists them, in the folder of a run."""

from pathlib import Path

from upath import UPath

from ray_wssis.data.builtin.shapes import write_shapes
from ray_wssis.data.coco.file import load_json
from ray_wssis.data.coco.read import read_coco
from ray_wssis.data.records import Records
from ray_wssis.storage import write_json


def write_review(run: Path, num_images: int, size: int = 64) -> Records:
    """List the true masks of built-in images, the expected IoU growing with their ids.

    Returns the images with these objects.
    """
    truth = write_shapes(str(run / "data"), num_images, seed=0, size=size)
    data = load_json(truth)
    for image in data["images"]:
        image["file_name"] = str(run / "data/images" / image["file_name"].rpartition("/")[2])
    for rank, entry in enumerate(data["annotations"], 1):
        entry |= {"expected_iou": round(0.1 + 0.01 * rank, 4), "flags": ["ring"], "rank": rank}
    write_json(UPath(run / "audit/review.json"), data)
    return read_coco(truth, str(run / "data/images"))
