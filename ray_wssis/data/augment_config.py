"""Ranges of the augmentation that a segmenter is trained with."""

from typing import Annotated

from pydantic import Field

from ray_wssis.config import Config

Side = Annotated[int, Field(ge=1)]  # network pixels


class AugmentConfig(Config):
    # Network pixels; one is drawn.
    shorter: tuple[Side, ...] = Field(default=(640, 672, 704, 736, 768, 800), min_length=1)
    longest: Side = 1333  # network pixels
    flip: bool = True  # left and right
    turn: bool = False  # quarter turns and upside down, for images without a natural orientation
    min_crop: float = Field(default=1.0, gt=0, le=1)  # smallest share of a side that is kept
    paste: float = Field(default=0.0, ge=0, le=1)  # share of images with objects of another one
    colour: float = Field(default=0.0, ge=0, le=1)  # strength of brightness and contrast changes
