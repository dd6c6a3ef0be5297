"""Configuration of how streaming is shared out among processes."""

from pydantic import Field

from ray_wssis.config import Config


class LabellingWorkers(Config):
    """Decides how fast images are labelled, never what their rows hold."""

    number: int = Field(default=1, ge=1)  # actors to start with, each with its own networks
    max_number: int | None = Field(default=None, ge=1)  # null: one per GPU, without GPUs `number`
    gpus_each: float | None = None  # null: one if the cluster has any, else none
    cpus_each: float = Field(default=1, gt=0)
    batch_size: int = Field(default=8, ge=1)  # images per forward pass
    shard_size: int = Field(default=128, ge=1)  # images whose rows are written together
    max_megapixels: float = Field(default=100, gt=0)  # larger images are not read
