"""Images that share a forward pass: those that the network pads to the same canvas."""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TypeVar

from ray_wssis.data.images.read import RGB
from ray_wssis.models.solov2_config import PADDING_MULTIPLE
from wssis_serve.engines.images import Decoded

Seen = TypeVar("Seen")


def by_canvas(
    images: Sequence[Decoded], infer: Callable[[list[RGB]], Sequence[Seen]]
) -> list[Seen]:
    """The results of `infer` for each image, with one call for each canvas.

    An answer must not depend on who else asks: the cells of SOLOv2 divide the canvas, and a pooled
    feature of DeepLab is the mean of it.
    """
    seen: dict[int, Seen] = {}
    order = sorted(range(len(images)), key=lambda i: canvas_of(images[i]))
    for _, group in groupby(order, key=lambda i: canvas_of(images[i])):
        places = list(group)
        results = infer([images[i].network_image for i in places])
        seen |= dict(zip(places, results, strict=True))
    return [seen[i] for i in range(len(images))]


def canvas_of(image: Decoded) -> tuple[int, int]:
    """(height, width) of the canvas to which the network pads the image."""
    return padded(*image.network_size)


def padded(height: int, width: int) -> tuple[int, int]:
    """The next (height, width) that the network accepts."""
    height, width = (-(-side // PADDING_MULTIPLE) * PADDING_MULTIPLE for side in (height, width))
    return height, width
