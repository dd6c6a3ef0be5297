"""Configuration of labels, their audit and their merge."""

from typing import Literal

from pydantic import Field

from ray_wssis.config import Config


class LabelLimits(Config):
    """Bounds beyond which labelling counts as failed.  They do not change any label."""

    max_failures: int | None = Field(default=None, ge=0)  # images; null: any number
    min_coverage: float = Field(default=0, ge=0, le=1)  # share of the points that get a mask


class AuditConfig(Config):
    threshold: float = Field(default=0.5, ge=0, le=1)  # expected IoU below which a mask is poor
    review: int = Field(default=50, ge=0)  # how many of the worst masks are listed


class ProposalsConfig(Config):
    """Decides which objects that a network proposes on images without points are learnt."""

    # judged: if they teach more right than wrong on the audit images
    use: Literal["judged", "always", "never"] = "judged"
    precision: float = Field(default=0.7, ge=0, lt=1)  # share of a class that is of this class
    mean_iou: float = Field(default=0.7, ge=0, lt=1)  # of their masks, wanted likewise
    class_score: float = Field(default=0.5, ge=0, le=1)  # threshold where the audit has too few
    expected_iou: float = Field(default=0.5, ge=0, le=1)  # likewise
    least_score: float = Field(default=0.1, ge=0, le=1)  # below it, there is nothing to ignore


class MergeConfig(Config):
    """Decides about poor masks, and about those that people corrected."""

    # ignore: neither object nor background; auto: ignore if the whole 90 % interval is below
    below: Literal["auto", "keep", "ignore", "drop"] = "ignore"
    annotated: tuple[str, ...] = ()  # folders that `wssis annotate` made: learnt too
    corrections: tuple[str, ...] = ()  # COCO files whose masks win over pseudo masks; last one wins
