"""Saliency maps that somebody brings: what stands out in an image, whatever it is.

DRS (arXiv:2103.07246) takes them for its background: a pixel is of a class if its score is above
one minus its saliency, and if it is salient while no class scores, it is not sure.  So what is
found ends where objects end.
"""

from posixpath import splitext

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from upath import UPath

from ray_wssis.data.images.read import ImageError, read_image
from ray_wssis.data.records import Records
from ray_wssis.methods.cam.policy import LEVELS
from ray_wssis.storage import locate, names_in

NUM_NAMES = 3  # images that a message names
SALIENT = 128  # of 255

Map = UInt8[NDArray[np.uint8], "H W"]


def check_saliency(folder: str, images: Records) -> None:
    """Raise ValueError unless the folder has a map for each image."""
    there = {splitext(name)[0] for name in names_in(locate(folder))}
    files = images.table["file"].to_pylist()
    lost = [file for file in files if stem(file) not in there]
    if lost:
        named = ", ".join([*lost[:NUM_NAMES], *(["..."] if len(lost) > NUM_NAMES else [])])
        raise ValueError(
            f"labelling.saliency: {len(lost)} of {len(files)} images have no map in {folder}, "
            f"wanted is a gray image of the same name for each: {named}"
        )


def read_saliency(folder: str, file: str, size: tuple[int, int]) -> Map:
    """Read the map of the image `file`, resized to its height and width.

    Raises ImageError if there is none.
    """
    root = locate(folder)
    for ending in (".png", ".jpg", ".jpeg"):
        if (root / f"{stem(file)}{ending}").exists():
            gray = read_image(str(root / f"{stem(file)}{ending}"))[:, :, 0]
            return np.asarray(cv2.resize(gray, size[::-1], interpolation=cv2.INTER_LINEAR))
    raise ImageError(file, f"no saliency map in {folder}", "a gray image of the same name")


def with_saliency(
    labels: Map, confidence: Map, scores: Map, saliency: Map, background: int
) -> tuple[Map, Map]:
    """Return labels and their confidence after a look at what is salient."""
    stands_out = scores > (LEVELS - 1) - saliency.astype(np.int64)
    is_class = labels != background
    kept = np.where(is_class & ~stands_out, background, labels).astype(np.uint8)
    unexplained = ~is_class & (saliency >= SALIENT)
    return kept, np.where(unexplained, 0, confidence).astype(np.uint8)


def stem(file: str) -> str:
    """Return the name of a file without folders and ending."""
    return splitext(UPath(file).name)[0]
