"""Ranges of what is varied when the refiner learns."""

from pydantic import Field, model_validator

from ray_wssis.config import Config


class RefinerAugmentConfig(Config):
    min_scale: float = Field(default=1.0, gt=0)  # crop sides over those of the rough mask
    max_scale: float = Field(default=2.0, gt=0)
    flip: bool = True  # left and right
    turn: bool = False  # quarter turns and upside down, for images without an up
    colour: float = Field(default=0.0, ge=0, le=1)  # strength of brightness and contrast changes
    point_jitter: float = Field(default=0.015, ge=0, le=1)  # largest move per axis, in crop sides
    random_point: float = Field(default=0.0, ge=0, le=1)  # share of points drawn anew in the mask
    rough_noise: float = Field(default=0.0, ge=0, le=1)  # share of rough masks that are changed

    @model_validator(mode="after")
    def check_scales(self) -> "RefinerAugmentConfig":
        if self.max_scale < self.min_scale:
            raise ValueError(
                f"max_scale is {self.max_scale:g}, below min_scale, {self.min_scale:g}"
            )
        return self
