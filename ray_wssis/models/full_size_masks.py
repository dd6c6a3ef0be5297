"""Conversion of soft quarter-size masks to run-length masks of the original image.

Legend: N instances, h w mask pixels (a quarter of the padded canvas).
"""

from dataclasses import dataclass
from math import ceil, floor

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from ray_wssis.masks import encode, encode_in_box
from ray_wssis.models.solov2 import MASK_STRIDE

LARGE = 500_000  # pixels of an image whose masks are resized one by one, each in its box
PIXELS_AT_ONCE = 4_000_000  # bounds the memory of any number of instances to some 50 MB


def encode_full_size(
    masks: Float[Tensor, "N h w"],
    network_size: tuple[int, int],
    original_size: tuple[int, int],
    threshold: float,
) -> list[bytes | None]:
    """Encode each mask as run-length counts at the original size; None if it is empty there.

    Sizes are (height, width); `network_size` is the part of the canvas that holds the image.
    """
    if len(masks) == 0:
        return []
    if original_size[0] * original_size[1] > LARGE:
        return encode_in_boxes(masks, network_size, original_size, threshold)
    height, width = network_size
    canvas = (masks.shape[-2] * MASK_STRIDE, masks.shape[-1] * MASK_STRIDE)
    largest = max(canvas[0] * canvas[1], original_size[0] * original_size[1])
    counts: list[bytes | None] = []
    for chunk in masks.split(max(1, PIXELS_AT_ONCE // largest)):
        soft = resize(chunk, canvas)[..., :height, :width]  # (n, height, width)
        hard = resize(soft, original_size) > threshold
        counts += [encode(mask) if mask.any() else None for mask in hard.cpu().numpy()]
    return counts


def encode_in_boxes(
    masks: Float[Tensor, "N h w"],
    network_size: tuple[int, int],
    original_size: tuple[int, int],
    threshold: float,
) -> list[bytes | None]:
    """Encode each mask as `encode_full_size`, resized only where it can exceed the threshold."""
    masks = masks.cpu()  # all at once: they are small, and a device would wait for each
    inside = masks > threshold
    rows, columns = inside.any(dim=2).numpy(), inside.any(dim=1).numpy()
    counts: list[bytes | None] = []
    for mask, in_rows, in_columns in zip(masks, rows, columns, strict=True):
        found = None
        if in_rows.any():
            sides = [
                Side.around(np.flatnonzero(cells), len(cells), *lengths)
                for cells, *lengths in zip(
                    (in_rows, in_columns), network_size, original_size, strict=True
                )
            ]
            if all(side.pixels.start < side.pixels.stop for side in sides):  # not in the padding
                found = encode_box(mask, sides[0], sides[1], original_size, threshold)
        counts.append(found)
    return counts


@dataclass(frozen=True)
class Side:
    """The part of one axis that a mask needs, each as a half-open range."""

    cells: slice  # of the mask
    canvas: slice  # pixels of the network that those cells decide, without the rest of the canvas
    pixels: slice  # of the original
    length: int  # of the network image
    scale: float  # pixels of the network per pixel of the original

    @classmethod
    def around(cls, cells: NDArray[np.intp], num_cells: int, length: int, original: int) -> "Side":
        """The part around cells: a pixel is a mean of its neighbours, on either resizing."""
        scale = length / original
        first = (int(cells[0]) - 1) * MASK_STRIDE  # pixels of the network that a cell can reach
        last = (int(cells[-1]) + 2) * MASK_STRIDE
        pixels = slice(
            max(0, floor((first - 1) / scale) - 1),
            min(original, ceil((min(last, length) + 1) / scale) + 1),
        )
        begin = max(0, int(first - 2 - scale) // MASK_STRIDE - 2)
        end = min(num_cells, -(-int(last + 3 + scale) // MASK_STRIDE) + 2)
        return cls(
            slice(begin, end),
            slice(begin * MASK_STRIDE, min(end * MASK_STRIDE, length)),
            pixels,
            length,
            scale,
        )

    def sources(self) -> tuple[Tensor, Tensor, Tensor]:
        """Two pixels of the part of the canvas for each original pixel; weight of the second."""
        places = torch.arange(self.pixels.start, self.pixels.stop)
        place = ((places.double() + 0.5) * self.scale - 0.5).clamp(min=0).float()
        low = place.long().clamp(max=self.length - 1)
        weight = place - low
        high = (low + 1).clamp(max=self.length - 1)
        most = self.canvas.stop - self.canvas.start - 1
        low, high = ((x - self.canvas.start).clamp(0, most) for x in (low, high))
        return low, high, weight


def encode_box(
    mask: Float[Tensor, "h w"],
    rows: Side,
    columns: Side,
    original_size: tuple[int, int],
    threshold: float,
) -> bytes | None:
    """Resize the part of a mask and encode it at its place; None if it is empty."""
    part = mask[rows.cells, columns.cells]
    canvas = resize(part[None], (len(part) * MASK_STRIDE, part.shape[1] * MASK_STRIDE))[0]
    canvas = canvas[
        : rows.canvas.stop - rows.canvas.start, : columns.canvas.stop - columns.canvas.start
    ]
    low, high, weight = columns.sources()
    soft = torch.lerp(canvas[:, low], canvas[:, high], weight)
    low, high, weight = rows.sources()
    hard = (torch.lerp(soft[low], soft[high], weight[:, None]) > threshold).numpy()
    if not hard.any():
        return None
    (x0, x1), (y0, y1) = ((side.pixels.start, side.pixels.stop) for side in (columns, rows))
    return encode_in_box(hard, (x0, y0, x1, y1), *original_size)


def resize(masks: Float[Tensor, "N _ _"], size: tuple[int, int]) -> Float[Tensor, "N _ _"]:
    if masks.shape[-2:] == torch.Size(size):
        return masks
    return interpolate(masks[None], size=size, mode="bilinear", align_corners=False)[0]
