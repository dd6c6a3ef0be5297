"""Ranges of the augmentation that a segmenter is trained with."""

from pydantic import Field

from ray_wssis.config import Config


class AugmentConfig(Config):
    shorter: tuple[int, ...] = (
        640,
        672,
        704,
        736,
        768,
        800,
    )  # one is drawn, network pixels
    longest: int = 1333  # network pixels
    flip: bool = True  # left and right
    turn: bool = False  # quarter turns and upside down, for images without a natural orientation
    min_crop: float = Field(default=1.0, gt=0, le=1)  # smallest share of a side that is kept
    colour: float = Field(default=0.0, ge=0, le=1)  # strength of brightness and contrast changes
