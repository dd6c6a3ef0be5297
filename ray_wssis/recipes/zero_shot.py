"""Labellers that need no training in a run."""

from ray_wssis.methods.sam.labeller import SamLabeller
from ray_wssis.methods.sam.weights import SamWeights
from ray_wssis.recipes.labeller_config import LabellerConfig


def find_labeller(config: LabellerConfig) -> SamLabeller | None:
    """Find the labeller of a configuration; None if the run has to train it.

    Raises ValueError if it cannot be used here: an extra or its weights are missing.
    """
    if config.is_trained:
        return None
    weights = SamWeights.find(config.name, config.weights)
    return SamLabeller.of(weights, config.negatives, tidy=config.tidy)
