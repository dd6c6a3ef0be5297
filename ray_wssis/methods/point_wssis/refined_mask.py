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

from ray_wssis.masks import Box, Mask, encode_in_box
from ray_wssis.models.compat import Compat


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
