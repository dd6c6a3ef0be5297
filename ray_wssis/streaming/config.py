"""How streaming is shared out."""

from pydantic import Field

from ray_wssis.config import Config


class LabellingWorkers(Config):
    """How streaming is shared out.  It never changes what comes out."""

    number: int = Field(default=1, ge=1)  # actors to begin with, each with networks of its own
    max_number: int | None = Field(default=None, ge=1)  # null: one a GPU, without GPUs `number`
    gpus_each: float | None = None  # null: one where the cluster has any, else none
    cpus_each: float = Field(default=1, gt=0)
    batch_size: int = Field(default=8, ge=1)  # pictures per forward pass
    shard_size: int = Field(default=128, ge=1)  # pictures whose rows are written together
    max_megapixels: float = Field(default=100, gt=0)  # of a picture; a larger one is not read
