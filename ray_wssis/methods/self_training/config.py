"""Configuration of rounds of self-training: which pixels are learnt, and how students learn."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ray_wssis.config import Config
from ray_wssis.semantic.segmenter_config import SemanticStage

Share = Annotated[float, Field(gt=0, le=1)]
Shares = Annotated[tuple[Share, ...], Field(min_length=1)]


class Threshold(Config):
    """Pixels whose label has this probability."""

    name: Literal["threshold"] = "threshold"
    confidence: float = Field(default=0.9, ge=0, lt=1)


class CBST(Config):
    """The surest pixels of each predicted class (arXiv:1810.07911)."""

    name: Literal["cbst"] = "cbst"
    shares: Shares = (0.4, 0.5)  # of the pixels, by round; the last one is that of later rounds


class DARS(Config):
    """The surest pixels, as many of each class as the strong images have (ICCV 2021)."""

    name: Literal["dars"] = "dars"
    shares: Shares = (0.4, 0.5)  # of the pixels, by round; the last one is that of later rounds


class SmallLoss(Config):
    """Pixels whose label costs the first teacher little, as noisy labels are told from clean ones.

    The teacher learnt from class maps alone.  A loss below log 2 means that it sees the same class.
    """

    name: Literal["small_loss"] = "small_loss"
    loss: float = Field(default=0.1, gt=0, lt=0.69)  # cross entropy


Policy = Annotated[Threshold | CBST | DARS | SmallLoss, Field(discriminator="name")]


class RoundStage(SemanticStage):
    """A student of a round; it learns from strong images and from the pixels that are kept."""

    strong_images: int = Field(default=8, ge=1)  # of each step; the others have pseudo labels
    reinit: bool = True  # begin with the backbone alone; false: with the network before it
    largest_scales: tuple[Annotated[float, Field(gt=0)], ...] = ()  # of `augment`, by round
    # Power of the probability that a label has for the student (DMT); null: all labels weigh alike.
    gamma: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def check_beginning(self) -> Self:
        if self.ready is not None:
            raise ValueError("ready: there is a student in every round; teacher.ready may be given")
        if self.start is not None and not self.reinit:
            raise ValueError("start: with reinit: false a student begins with the one before it")
        if any(scale < self.augment.scale[0] for scale in self.largest_scales):
            raise ValueError(
                f"largest_scales: {list(self.largest_scales)} has one below {self.augment.scale[0]}"
                ", the smallest of augment.scale"
            )
        return self


def of_round(values: tuple[float, ...], number: int) -> float:
    """Return the value of a round, counted from 1; the last one is that of later rounds."""
    return values[min(number, len(values)) - 1]
