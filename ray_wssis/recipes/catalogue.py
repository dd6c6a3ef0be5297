"""The recipes by name: the one place that knows which there are."""

import difflib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ray_wssis.config import ConfigError, apply_override, load_config, read_values
from ray_wssis.recipes.agmm_config import AGMMConfig
from ray_wssis.recipes.cam_config import CamConfig
from ray_wssis.recipes.irn_config import IRNConfig
from ray_wssis.recipes.lpl_config import LPLConfig
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.recipes.self_training_config import SelfTrainingConfig
from ray_wssis.recipes.semi_supervised_config import SemiSupervisedConfig
from ray_wssis.run_config import RunConfig
from ray_wssis.storage import Place

if TYPE_CHECKING:  # imports torch and Ray
    from ray_wssis.artifacts import Artifact
    from ray_wssis.run import Run

CONFIGS: tuple[type[RunConfig], ...] = (  # the first is the default
    PointWSSISConfig,
    LPLConfig,
    AGMMConfig,
    SemiSupervisedConfig,
    SelfTrainingConfig,
    CamConfig,
    IRNConfig,
)


def load_recipe(
    file: Place,
    overrides: Sequence[str] = (),
    preset: Callable[[RunConfig], RunConfig] | None = None,
) -> RunConfig:
    """Load the configuration of any recipe; see `load_config`."""
    values = read_values(file)
    for override in overrides:
        apply_override(values, override)
    return load_config(config_class(values), file, overrides, preset)


def config_class(values: dict[str, Any]) -> type[RunConfig]:
    """Choose the class for a configuration by the `recipe` that its values name.

    Raises ConfigError for a recipe that does not exist.
    """
    known = {str(cls.model_fields["recipe"].default): cls for cls in CONFIGS}
    name = str(values.get("recipe", next(iter(known))))
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
    raise ConfigError(f"recipe: there is no {name}, {hint}")


def artifacts(run: "Run", config: RunConfig) -> "Iterator[Artifact]":
    """Yield the artifacts of a run, each as it is finished."""
    match config:
        case PointWSSISConfig():
            from ray_wssis.recipes.point_wssis import point_wssis

            return point_wssis(run, config)
        case LPLConfig():
            from ray_wssis.recipes.lpl import lpl

            return lpl(run, config)
        case AGMMConfig():
            from ray_wssis.recipes.agmm import agmm

            return agmm(run, config)
        case SemiSupervisedConfig():
            from ray_wssis.recipes.semi_supervised import semi_supervised

            return semi_supervised(run, config)
        case SelfTrainingConfig():
            from ray_wssis.recipes.self_training import self_training

            return self_training(run, config)
        case CamConfig():
            from ray_wssis.recipes.cam import cam

            return cam(run, config)
        case IRNConfig():
            from ray_wssis.recipes.irn import irn

            return irn(run, config)
    raise AssertionError(config.recipe)
