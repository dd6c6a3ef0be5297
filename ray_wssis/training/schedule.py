"""The optimiser, and its learning rate as a function of the step and of the parameter."""

import difflib
import math
from collections.abc import Iterable, Mapping

import torch
from torch import nn

from ray_wssis.models.compiler import without_compiler
from ray_wssis.training.config import TrainingConfig
from ray_wssis.training.task import NamesParameters

NORMS = (nn.GroupNorm, nn.LayerNorm, nn.modules.batchnorm._BatchNorm)


def learning_rate(config: TrainingConfig, step: int) -> float:
    """The rate of step 1, 2, ..., `config.steps`, for parameters with the factor 1."""
    if step <= config.warmup_steps:
        share = step / config.warmup_steps
        return config.learning_rate * (config.warmup_factor * (1 - share) + share)
    if config.schedule == "poly":
        left = (config.steps - step + 1) / (config.steps - config.warmup_steps)
        return config.learning_rate * float(left**config.power)
    if config.schedule == "cosine":
        progress = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
        wave = 0.5 * (1 + math.cos(math.pi * progress))
        return config.learning_rate * (config.final_factor + (1 - config.final_factor) * wave)
    return config.learning_rate * 0.1 ** sum(step > drop for drop in config.drops)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every parameter group this rate times its factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]


def build_optimizer(learner: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """SGD with momentum or AdamW; norm layers are not decayed, biases are.

    Raises ValueError for rate factors of groups that the learner does not name.
    """
    factor_of = parameter_factors(learner, config.rate_factors)
    factors = dict.fromkeys((1.0, *config.rate_factors.values()))
    groups: dict[tuple[float, bool], list[nn.Parameter]]
    groups = {(factor, is_norm): [] for factor in factors for is_norm in (False, True)}
    for module in learner.modules():
        is_norm = isinstance(module, NORMS)
        for parameter in module.parameters(recurse=False):
            if parameter.requires_grad:
                groups[factor_of.get(id(parameter), 1.0), is_norm].append(parameter)
    options: Iterable[dict[str, object]] = [
        {
            "params": parameters,
            "weight_decay": 0.0 if is_norm else config.weight_decay,
            "factor": factor,
        }
        for (factor, is_norm), parameters in groups.items()
    ]
    optimizer: torch.optim.Optimizer
    with without_compiler():
        if config.optimizer == "adamw":
            optimizer = torch.optim.AdamW(options, lr=config.learning_rate)
        else:
            optimizer = torch.optim.SGD(options, lr=config.learning_rate, momentum=0.9)
        optimizer.zero_grad()  # like the next line, asks for the compiler the first time
        optimizer.load_state_dict(optimizer.state_dict())
    return optimizer


def parameter_factors(learner: nn.Module, factors: Mapping[str, float]) -> dict[int, float]:
    """The factor of each parameter, by id, in the groups that have one."""
    groups = learner.parameter_groups() if isinstance(learner, NamesParameters) else {}
    for name in factors:
        if name not in groups:
            near = difflib.get_close_matches(name, groups, n=1)
            hint = f", did you mean {near[0]}?" if near else "."
            known = ", ".join(groups) or "no groups of parameters"
            raise ValueError(
                f"training.rate_factors: unknown group {name}{hint} {type(learner).__name__} "
                f"has {known}"
            )
    return {id(p): factor for name, factor in factors.items() for p in groups[name]}
