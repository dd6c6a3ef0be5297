"""Limits of labelling."""

from pydantic import Field

from ray_wssis.config import Config


class LabelLimits(Config):
    """When labelling has gone wrong.  It changes nothing that comes out."""

    max_failures: int | None = Field(default=None, ge=0)  # pictures; null: any number
    min_coverage: float = Field(default=0, ge=0, le=1)  # share of the points that get a mask
