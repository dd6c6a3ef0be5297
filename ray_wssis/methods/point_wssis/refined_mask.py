"""Masks of an image from the answers of the refiner (PointWSSIS, arXiv:2303.15062).

Nothing here needs a network, so on a cluster it is done beside the GPUs: no torch is imported.
An object is never lost: where the network found no foreground, the rough mask stays.

Legend: S pixels of a crop side; boxes are (x0, y0, x1, y1) original pixels, x1 and y1 exclusive.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32
from numpy.typing import NDArray

from ray_wssis.masks import Mask, encode, from_uncompressed, run_lengths
from ray_wssis.models.compat import Compat

Box = tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The output of the refiner for the crop of one object."""

    foreground: Float32[NDArray[np.float32], "S S"]  # probability
    box: Box  # what the crop shows
    score: float  # mean foreground probability inside the mask, 0..1
    compat: Compat


@dataclass(frozen=True, kw_only=True)
class Refined:
    """One refined mask."""

    mask: bytes  # run-length counts for the size of the image
    score: float  # that of the answer
    fell_back: bool  # the network found nothing; `mask` is the rough one


def apply_answer(rough: bytes, answer: Answer | None, height: int, width: int) -> Refined:
    """Make the refined mask of an object from an answer; an empty rough mask has none."""
    if answer is None:
        return Refined(mask=rough, score=0.0, fell_back=True)
    part = paste(answer.foreground, answer.box, answer.compat)
    if not part.any():
        return Refined(mask=rough, score=answer.score, fell_back=True)
    mask = encode_in_box(part, answer.box, height, width)
    return Refined(mask=mask, score=answer.score, fell_back=False)


def paste(
    foreground: Float32[NDArray[np.float32], "S S"], box: Box, compat: Compat = "fixed"
) -> Bool[Mask, "h w"]:
    """Resize the foreground probability of a crop to its box, and cut it off at one half."""
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    shrinks = height <= foreground.shape[0] and width <= foreground.shape[1]
    averages = shrinks and compat == "fixed"  # all of the crop counts
    how = cv2.INTER_AREA if averages else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(foreground, (width, height), interpolation=how) > 0.5)


def encode_in_box(part: Bool[Mask, "h w"], box: Box, height: int, width: int) -> bytes:
    """Encode a mask of (height, width) that is `part` inside the box and empty elsewhere.

    Works on the box alone: its runs are moved to their places in the columns of the image.
    """
    x0, y0, _, _ = box
    rows = part.shape[0] + 1
    padded = np.zeros((rows, part.shape[1]), dtype=np.uint8, order="F")
    padded[:-1] = part  # with an empty row below, every run ends in the column that it starts in
    column, row = np.divmod(np.cumsum(run_lengths(encode(padded))), rows)
    edges = ((column + x0) * height + row + y0)[: column.size // 2 * 2]  # starts, ends in turn
    joined = np.flatnonzero(edges[1:] == edges[:-1])  # runs that touch across the edge of a column
    edges = np.delete(edges, np.concatenate([joined, joined + 1]))
    lengths = np.diff(np.concatenate([[0], edges, [height * width]]))
    if lengths[-1] == 0:
        lengths = lengths[:-1]
    return from_uncompressed(lengths.tolist(), height, width)
