"""Configuration of training: the schedule, and the share of each worker."""

import math
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from ray_wssis.config import Config


class TrainingConfig(Config):
    """The schedule of one training.  The number of workers is another matter."""

    steps: int = Field(ge=1)
    batch_size: int = Field(default=16, ge=1)  # samples per step, of all workers and streams
    reference_batch: int | None = Field(default=None, ge=1)  # batch that rate and steps are for
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = Field(default=0.01, gt=0)  # for the whole batch
    weight_decay: float = Field(default=1e-4, ge=0)  # not for norms
    warmup_steps: int = Field(default=1000, ge=0)
    warmup_factor: float = Field(default=0.01, ge=0, le=1)
    schedule: Literal["steps", "cosine", "poly"] = "steps"
    drops: tuple[int, ...] = ()  # steps at which the rate becomes a tenth
    final_factor: float = Field(default=0.01, ge=0, le=1)  # where the cosine ends
    power: float = Field(default=0.9, gt=0)  # of poly: rate x (share of the steps left)^power
    rate_factors: dict[str, Annotated[float, Field(gt=0)]] = Field(default={})  # by parameter group
    ema: float | None = Field(default=None, gt=0, lt=1)  # decay of a running mean of the weights,
    # which is validated and saved in their place; null: none
    max_grad_norm: float = Field(default=35.0, gt=0)
    save_every: int = Field(default=5000, ge=1)  # steps between checkpoints
    validate_every: int = Field(default=5000, ge=1)  # steps; a checkpoint is kept then too
    max_validation_images: int = Field(default=500, ge=1)
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


class TrainingWorkers(Config):
    """The shares of a training.  They never change what is learnt."""

    number: int = Field(default=1, ge=1)  # at the start; the least if max_number is given
    max_number: int | None = Field(default=None, ge=1)  # use all the room there is, up to this
    gpu: bool | None = None  # one GPU a worker; null: if the cluster has enough now
    cpus_each: int | None = Field(default=None, ge=1)  # null: all there are, shared; 1 with a GPU
    loader_workers: int | None = Field(default=None, ge=0)  # of each worker: processes that load
    loader_actors: int = Field(default=0, ge=0)  # of each, instead, on any node with CPUs
    patience: float = Field(default=1800, gt=0)  # seconds without room for the workers, in all;
    # nodes may be about to join
    max_failures: int = Field(default=3, ge=-1)  # crashes without a new step

    @model_validator(mode="after")
    def check_range(self) -> "TrainingWorkers":
        if self.max_number is not None and self.max_number < self.number:
            raise ValueError(f"max_number {self.max_number} is below number {self.number}")
        return self

    @property
    def most(self) -> int:
        return self.max_number or self.number

    def possible(self) -> range:
        """The numbers of workers that training may have."""
        return range(self.number, self.most + 1)
