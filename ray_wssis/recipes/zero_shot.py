"""Labellers, and refiners, that need no training in a run."""

from ray_wssis.artifacts import Part
from ray_wssis.methods.point_wssis.labeller import PointLabeller
from ray_wssis.methods.sam.labeller import SamLabeller
from ray_wssis.methods.sam.weights import SamWeights
from ray_wssis.recipes.labeller_config import LabellerConfig
from ray_wssis.recipes.sam_refined import SamRefined


def find_labeller(config: LabellerConfig) -> SamLabeller | None:
    """Find the labeller of a configuration; None if the run has to train it.

    Raises ValueError if it cannot be used here: an extra or its weights are missing.
    """
    if config.is_trained:
        return None
    weights = SamWeights.find(config.name, config.weights)
    return SamLabeller.of(weights, config.negatives, tidy=config.tidy)


def find_refiner(config: LabellerConfig) -> SamLabeller | None:
    """Find what improves rough masks without being trained; None if the run trains a refiner.

    Raises ValueError if it cannot be used here: an extra or its weights are missing.
    """
    if config.refiner is None:
        return None
    named = LabellerConfig.model_validate(config.refiner)
    return find_labeller(named.model_copy(update={"negatives": config.negatives}))


def compose_labeller(
    segmenter: Part, refines: Part | SamLabeller | None, config: LabellerConfig
) -> PointLabeller | SamRefined:
    """Compose the labeller of a segmenter and what refines its rough masks: a refiner, a SAM, or
    nothing."""
    if isinstance(refines, SamLabeller):
        return SamRefined.of(segmenter, refines, tidy=config.tidy)
    return PointLabeller.of(segmenter, refines, **config.ways)
