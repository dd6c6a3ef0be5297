"""The losses of a network that learns from sparse labels; a weight of 0 leaves a term out."""

from typing import Annotated, Literal

from pydantic import Field

from ray_wssis.config import Config
from ray_wssis.semantic.segmenter_config import SemanticStage

Weight = Annotated[float, Field(ge=0)]
Sigma = Literal["fixed", "adaptive"]


class Terms(Config):
    """Weights of the losses: `partial` alone is the baseline, the next four are AGMM, `soft` is
    soft self-labelling."""

    partial: float = Field(default=1.0, gt=0)  # cross entropy where somebody annotated
    absent: Weight = 1.0  # classes that are no tag of the image are nowhere in it
    self: Weight = 1.0  # predictions follow the mixture, and the mixture follows them
    label: Weight = 1.0  # the mixture explains the annotated pixels
    separation: Weight = 1.0  # the prototypes of classes lie apart
    soft: Weight = 0.0  # predictions follow soft labels; published: 0.3


class SoftLabels(Config):
    """Targets of the soft term, found by a descent in each step (arXiv:2507.01721)."""

    smoothness: Weight = 20.0  # of neighbours that look alike; published: 6 / 0.3
    iterations: int = Field(default=20, ge=1)  # of gradient descent, in each step
    rate: float = Field(default=0.1, gt=0)  # of that descent


class SparseStage(SemanticStage):
    """A stage that trains a semantic segmenter on sparse labels, or adopts one."""

    terms: Terms = Terms()
    sigma: Sigma = "fixed"  # width of the Gaussians, fixed: 2 sigma^2 = 1
    soft_labels: SoftLabels = SoftLabels()
