"""The optimiser and its learning rate as a function of the step."""

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Annotated, Literal

import torch
from pydantic import AfterValidator, Field, model_validator
from torch import nn

from ray_wssis.config import Config


class TrainingConfig(Config):
    """What is learnt from one data set.  How the work is shared out is another matter."""

    steps: int = Field(ge=1)
    batch_size: int = Field(default=16, ge=1)  # samples of all workers together, per step
    reference_batch: int | None = Field(default=None, ge=1)  # batch that rate and steps are for
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = Field(default=0.01, gt=0)  # for the whole batch
    weight_decay: float = Field(default=1e-4, ge=0)  # not for norms
    warmup_steps: int = Field(default=1000, ge=0)
    warmup_factor: float = Field(default=0.01, ge=0, le=1)
    schedule: Literal["steps", "cosine"] = "steps"
    drops: tuple[int, ...] = ()  # steps at which the rate becomes a tenth
    final_factor: float = Field(default=0.01, ge=0, le=1)  # where the cosine ends
    max_grad_norm: float = Field(default=35.0, gt=0)
    save_every: int = Field(default=5000, ge=1)  # steps between checkpoints
    validate_every: int = Field(default=5000, ge=1)  # steps; a checkpoint is kept then too
    max_validation_pictures: int = Field(default=500, ge=1)
    early: tuple[int, ...] = ()  # steps whose model is kept beside the last one

    @model_validator(mode="after")
    def check_early(self) -> "TrainingConfig":
        if outside := [step for step in self.early if not 1 <= step <= self.steps]:
            raise ValueError(f"early {outside}: these steps are not among the {self.steps}")
        return self

    def stretched(self, factor: Fraction) -> "TrainingConfig":
        """The same schedule in `factor` times the steps.

        What comes before the last step still does: lengths are rounded up, places in them down.
        """

        def place(step: int) -> int:
            return max(1, math.floor(step * factor))

        def span(steps: int) -> int:
            return math.ceil(steps * factor)

        changes = {
            "steps": span(self.steps),
            "warmup_steps": math.floor(self.warmup_steps * factor),
            "drops": [place(step) for step in self.drops],
            "save_every": span(self.save_every),
            "validate_every": span(self.validate_every),
            "early": list(dict.fromkeys(place(step) for step in self.early)),
        }
        return TrainingConfig.model_validate(self.model_dump() | changes)

    def scaled_to_batch(self) -> "TrainingConfig":
        """The schedule for `batch_size` that does what this one does for `reference_batch`.

        It shows as many samples.  The rate of SGD grows with the batch (arXiv:1706.02677), that of
        AdamW with its square root (arXiv:2205.10287).
        """
        reference = self.reference_batch
        if reference is None or reference == self.batch_size:
            return self
        growth = Fraction(self.batch_size, reference)
        rate = float(growth) if self.optimizer == "sgd" else math.sqrt(growth)
        changes = {
            "reference_batch": self.batch_size,
            "learning_rate": self.learning_rate * rate,
        }
        return self.model_copy(update=changes).stretched(1 / growth)


ScaledTraining = Annotated[TrainingConfig, AfterValidator(TrainingConfig.scaled_to_batch)]


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
