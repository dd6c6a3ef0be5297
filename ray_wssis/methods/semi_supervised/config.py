"""Configuration of methods that learn from images without labels while they train."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ray_wssis.config import Config
from ray_wssis.semantic.augment_config import SemanticAugment
from ray_wssis.semantic.segmenter_config import SemanticStage

Share = Annotated[float, Field(ge=0, le=1)]


class CPS(Config):
    """Cross pseudo supervision (arXiv:2106.01226)."""

    name: Literal["cps"] = "cps"
    weight: float = Field(default=1.0, ge=0)  # of what the networks teach each other
    cutmix: bool = True  # on images into which boxes of other images are pasted


class StrongView(Config):
    """Changes of the images that a network learns from, as in UniMatch; each is the largest.

    Where a colour says the class, leave `hue` and `grey` at 0.
    """

    jitter: Share = 0.8  # chance of the next four
    brightness: Share = 0.5
    contrast: Share = 0.5
    saturation: Share = 0.5
    hue: float = Field(default=0.25, ge=0, le=0.5)  # of a turn
    grey: Share = 0.2  # chance
    blur: Share = 0.5  # chance


class MeanTeacher(Config):
    """Mean teacher (arXiv:1703.01780)."""

    name: Literal["mean_teacher"] = "mean_teacher"
    weight: float = Field(default=100.0, ge=0)  # of the distance from the teacher
    decay: float = Field(default=0.99, gt=0, lt=1)  # of the teacher's weights, per step
    ramp_steps: int = Field(default=0, ge=0)  # until the whole weight counts
    strong_view: StrongView = StrongView()


class UniMatch(Config):
    """UniMatch V2 (arXiv:2410.10777)."""

    name: Literal["unimatch"] = "unimatch"
    threshold: float = Field(default=0.95, ge=0, lt=1)  # probability of labels that are learnt
    decay: float = Field(default=0.996, gt=0, lt=1)  # of the teacher's weights, per step
    cutmix: Share = 0.5  # chance of a box from another image
    strong_view: StrongView = StrongView()


Method = Annotated[CPS | MeanTeacher | UniMatch, Field(discriminator="name")]


class SemiSupervisedStage(SemanticStage):
    """A network that learns from strong images, and from others without their labels."""

    method: Method
    strong_images: int = Field(default=8, ge=1)  # of each step; the others have no labels
    unlabelled_augment: SemanticAugment = SemanticAugment()

    @model_validator(mode="after")
    def check_start(self) -> Self:
        if self.start is not None:
            raise ValueError("start: these methods begin with the backbone alone, so leave it out")
        return self
