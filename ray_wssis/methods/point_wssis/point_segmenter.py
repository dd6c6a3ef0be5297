"""The masks that a trained SOLOv2 draws for points, at the size of the original image.

Legend: P points, h w mask pixels (a quarter of the padded canvas).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ray_wssis.data.records import Click
from ray_wssis.instance.segmenter import Segmenter
from ray_wssis.methods.point_wssis.point_prompt import (
    MASK_THRESHOLD,
    SAME_MASK_IOU,
    decode_points,
    levels_of_size,
)
from ray_wssis.models.full_size_masks import encode_full_size
from ray_wssis.models.solov2 import SOLOv2Output


@dataclass(frozen=True, kw_only=True)
class RoughMasks:
    """One row per point of one image; a point without a mask has None and level -1."""

    masks: list[bytes | None]  # run-length counts at the original size
    levels: list[int]
    class_scores: list[float]
    maskness: list[float]
    margins: list[float]  # class score x maskness above that of the next best level


def draw_points(
    segmenter: Segmenter,
    output: SOLOv2Output,
    index: int,
    network_size: tuple[int, int],
    original_size: tuple[int, int],
    points: list[tuple[float, float]],
    labels: list[int],
    box_sizes: list[tuple[float, float]] | None = None,
    clicks: Sequence[Sequence[Click]] | None = None,
) -> RoughMasks:
    """Draw one mask per point of image `index` of the batch behind `output`.

    `points` are (x, y) original pixels; with `box_sizes` (width, height), also original pixels,
    only the levels trained for that size may answer.  `clicks` are further ones on and off the
    object of each point.  Sizes are (height, width).
    """
    if not points:
        return RoughMasks(masks=[], levels=[], class_scores=[], maskness=[], margins=[])
    factors = network_size[1] / original_size[1], network_size[0] / original_size[0]
    scale = torch.tensor(factors, device=segmenter.device)
    xy = torch.tensor(points, device=segmenter.device, dtype=torch.float32) * scale  # (P, 2)
    allowed = None
    if box_sizes is not None:
        sizes = torch.tensor(box_sizes, device=segmenter.device, dtype=torch.float32) * scale
        allowed = levels_of_size(sizes, segmenter.config.scale_ranges)
    drawn = decode_points(
        output,
        index,
        xy,
        torch.tensor(labels, device=segmenter.device),
        allowed,
        segmenter.config.compat,
        None if clicks is None else scaled(clicks, *factors),
        max_iou=SAME_MASK_IOU,
        heed_points=True,
    )
    levels = drawn.level.tolist()
    encode = encode_full_size if segmenter.config.compat == "reference" else encode_visible
    found = encode(drawn.masks, network_size, original_size, MASK_THRESHOLD)
    masks = [mask if level >= 0 else None for mask, level in zip(found, levels, strict=True)]
    return RoughMasks(
        masks=masks,
        levels=[level if mask else -1 for mask, level in zip(masks, levels, strict=True)],
        class_scores=drawn.class_score.tolist(),
        maskness=drawn.maskness.tolist(),
        margins=drawn.margin.tolist(),
    )


def encode_visible(
    masks: Float[Tensor, "P h w"],
    network_size: tuple[int, int],
    original_size: tuple[int, int],
    threshold: float,
) -> list[bytes | None]:
    """Encode masks as `encode_full_size`; those that resizing empties, relative to their maximum.

    An object of the size of one mask pixel is otherwise lost: between its dark neighbours its
    probability falls below the threshold.
    """
    found = encode_full_size(masks, network_size, original_size, threshold)
    lost = [i for i, mask in enumerate(found) if mask is None]
    if lost:
        faint = masks[lost] / masks[lost].amax(dim=(1, 2), keepdim=True)
        again = encode_full_size(faint, network_size, original_size, threshold)
        for i, mask in zip(lost, again, strict=True):
            found[i] = mask
    return found


def scaled(clicks: Sequence[Sequence[Click]], x: float, y: float) -> list[list[Click]]:
    """The clicks with their coordinates multiplied."""
    return [[Click(click.x * x, click.y * y, click.positive) for click in own] for own in clicks]
