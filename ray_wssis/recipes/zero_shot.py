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
    family, _, weights = config.refiner.partition(":")
    return SamLabeller.of(SamWeights.find(family, weights or None), config.negatives)


def draws(
    segmenter: Part, refiner: Part | None, config: LabellerConfig
) -> PointLabeller | SamRefined:
    """Compose the labeller of a segmenter and what refines: a trained refiner, or the SAM of the
    configuration."""
    if (sam := find_refiner(config)) is not None:
        return SamRefined.of(segmenter, sam, tidy=config.tidy)
    return PointLabeller.of(segmenter, refiner, **config.ways)
