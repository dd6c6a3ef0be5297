"""The optimiser and its learning rate as a function of the step."""

import math
from collections.abc import Iterable

import torch
from torch import nn

from ray_wssis.training.config import TrainingConfig


def learning_rate(config: TrainingConfig, step: int) -> float:
    """The rate of step 1, 2, ..., `config.steps`."""
    if step <= config.warmup_steps:
        share = step / config.warmup_steps
        return config.learning_rate * (config.warmup_factor * (1 - share) + share)
    if config.schedule == "cosine":
        progress = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
        wave = 0.5 * (1 + math.cos(math.pi * progress))
        return config.learning_rate * (config.final_factor + (1 - config.final_factor) * wave)
    return config.learning_rate * 0.1 ** sum(step > drop for drop in config.drops)


def build_optimizer(network: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """SGD with momentum or AdamW; norm layers are not decayed, biases are."""
    norms: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    kinds = (nn.GroupNorm, nn.LayerNorm, nn.modules.batchnorm._BatchNorm)
    for module in network.modules():
        own = [p for p in module.parameters(recurse=False) if p.requires_grad]
        (norms if isinstance(module, kinds) else others).extend(own)
    groups: Iterable[dict[str, object]] = [
        {"params": others, "weight_decay": config.weight_decay},
        {"params": norms, "weight_decay": 0.0},
    ]
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.learning_rate)
    return torch.optim.SGD(groups, lr=config.learning_rate, momentum=0.9)
