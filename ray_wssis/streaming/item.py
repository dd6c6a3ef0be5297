"""One batch of a stream on its way from the plan to a shard."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ray_wssis.streaming.plan import Batch, Source

WITH_ITS_BATCH = 4  # processes that die of a batch before its images are tried one by one
ALONE = 2  # that die of one image, before it is given up

Ref = Any  # ray.ObjectRef


@dataclass(eq=False, kw_only=True)
class Item:
    source: Source
    batch: Batch
    num_deaths: int = 0  # of processes that worked on it
    decoded: Ref = None  # the images, with pixels
    node: str = ""  # where these are
    rows: Ref = None
    seconds: dict[str, float] = field(default_factory=dict)  # spent on it, by step

    @cached_property
    def num_bytes(self) -> int:
        """Pixels of its images, and so nearly what it occupies in Ray's object store."""
        return sum(self.source.num_bytes[place] for place in self.batch)

    @property
    def is_suspect(self) -> bool:
        """Tell whether it may be what kills processes, and so shares none with others."""
        return self.num_deaths > 0

    def after_a_death(self) -> list["Item"]:
        """Return what to try next: the batch once more, its images one by one, or nothing."""
        deaths = self.num_deaths + 1
        if deaths < WITH_ITS_BATCH:
            return [Item(source=self.source, batch=self.batch, num_deaths=deaths)]
        if len(self.batch) == 1:
            return []
        left = WITH_ITS_BATCH - ALONE
        return [Item(source=self.source, batch=[place], num_deaths=left) for place in self.batch]
