"""Configuration of semantic labels, their audit and their merge."""

from pydantic import Field

from ray_wssis.config import Config
from ray_wssis.semantic.segmenter_config import Views

PAPER_VIEWS = Views(scales=(0.5, 0.75, 1.0, 1.25, 1.5), flip=True)  # of LPL


class LabelConfig(Config):
    views: Views = PAPER_VIEWS
    max_failures: int | None = Field(default=None, ge=0)  # images; null: any number


class AuditConfig(Config):
    review: int = Field(default=50, ge=0)  # how many of the worst images are listed


class MergeConfig(Config):
    # Probability below which a pixel becomes unknown; 0: every pixel is learnt.
    min_confidence: float = Field(default=0.0, ge=0, le=1)
