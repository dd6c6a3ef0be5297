"""Configuration of how streaming is shared out among processes."""

from typing import Self

from pydantic import Field, model_validator

from ray_wssis.config import Config


class LabellingWorkers(Config):
    """Decides how fast images are labelled, never what their rows hold."""

    number: int = Field(default=1, ge=1)  # actors to start with, each with its own networks
    max_number: int | None = Field(default=None, ge=1)  # null: one per GPU, without GPUs `number`
    gpus_each: float | None = Field(
        default=None, ge=0
    )  # null: one if the cluster has any, else none
    cpus_each: float = Field(default=1, gt=0)
    batch_size: int = Field(default=8, ge=1)  # images per forward pass
    shard_size: int = Field(default=128, ge=1)  # images whose rows are written together
    patience: float = Field(default=1800, gt=0)  # seconds in which nothing need be finished: nodes
    # may be about to join, networks be loaded, a first batch be slow; then labelling stops
    max_megapixels: float = Field(default=100, gt=0)  # larger images are not read

    @model_validator(mode="after")
    def check_range(self) -> Self:
        if self.max_number is not None and self.max_number < self.number:
            raise ValueError(f"max_number {self.max_number} is below number {self.number}")
        return self
