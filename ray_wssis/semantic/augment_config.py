"""Ranges of the augmentation that a semantic network is trained with."""

from typing import Self

from pydantic import Field, model_validator

from ray_wssis.config import Config
from ray_wssis.models.solov2_config import PADDING_MULTIPLE


class SemanticAugment(Config):
    crop: int = Field(default=512, ge=PADDING_MULTIPLE)  # network pixels, both sides
    scale: tuple[float, float] = (0.5, 2.0)  # of the image, drawn so that equal factors are equal
    flip: bool = True  # left and right
    turn: bool = False  # quarter turns, for images without a natural orientation
    rotate: float = Field(default=0.0, ge=0, le=180)  # degrees to either side
    shear: float = Field(default=0.0, ge=0, lt=1)  # to either side, as a share
    colour: float = Field(default=0.0, ge=0, le=1)  # strength of brightness and contrast changes

    @model_validator(mode="after")
    def check_ranges(self) -> Self:
        if self.crop % PADDING_MULTIPLE:
            raise ValueError(f"crop is {self.crop}, it must be a multiple of {PADDING_MULTIPLE}")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"scale: {list(self.scale)} is no range of factors above 0")
        return self
