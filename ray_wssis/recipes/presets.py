"""Presets: what `--preset NAME` makes of a configuration, before `--set` has its say."""

import logging
from fractions import Fraction

from ray_wssis.recipes.point_wssis import PointWSSISConfig

TRAININGS = ("teacher", "refiner", "student")
FAST = Fraction(1, 12)

logger = logging.getLogger(__name__)


def fast(config: PointWSSISConfig) -> PointWSSISConfig:
    """A twelfth of the steps of each training; networks, pictures and labelling as they are."""
    stages = {name: getattr(config, name) for name in TRAININGS}
    trainings = {name: stage.training.stretched(FAST) for name, stage in stages.items()}
    logger.info(
        "preset fast: training takes a twelfth of its steps (%s). It gives up accuracy: networks "
        "stop long before they have learnt what they can. Try things out with it, and take no "
        "figure of it for the method's",
        ", ".join(
            f"{name} {stages[name].training.steps} -> {training.steps}"
            for name, training in trainings.items()
        ),
    )
    shorter = {
        name: stages[name].model_copy(update={"training": training})
        for name, training in trainings.items()
    }
    return config.model_copy(update=shorter)
