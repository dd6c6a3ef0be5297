"""Configuration of the audit and of the merge of semantic labels."""

from pydantic import Field

from ray_wssis.config import Config


class AuditConfig(Config):
    review: int = Field(default=50, ge=0)  # how many of the worst images are listed


class MergeConfig(Config):
    # Probability below which a pixel becomes unknown; 0: every pixel is learnt.
    min_confidence: float = Field(default=0.0, ge=0, le=1)
