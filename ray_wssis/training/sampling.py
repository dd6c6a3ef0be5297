"""Which pictures a training step sees: a function of the seed and the step, nothing else.

So training goes on after a crash exactly where it stopped, and does not depend on how many
workers share the batch.
"""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from torch.utils.data import Dataset, Sampler

Key = tuple[int, int]  # epoch, position in the data set
Collate = Callable[[list[Any]], Any]  # samples -> a batch


class Samples(Protocol):
    """What can be learnt from: numbered samples, drawn with a given source of randomness."""

    def __len__(self) -> int: ...
    def sample(self, index: int, rng: np.random.Generator) -> Any: ...


class SeededSamples(Dataset[Any]):
    """Draws each sample with randomness of its own, from seed, epoch and position."""

    def __init__(self, samples: Samples, seed: int) -> None:
        self.samples = samples
        self.seed = seed

    def __getitem__(self, key: Key) -> Any:
        epoch, index = key
        return self.samples.sample(index, np.random.default_rng([self.seed, epoch, index]))


class StepSampler(Sampler[list[Key]]):
    """One worker's part of each step's batch, from step `first` to step `last` inclusive."""

    def __init__(
        self, num_samples: int, batch_size: int, seed: int, steps: range, rank: int, world: int
    ) -> None:
        if num_samples == 0:
            raise ValueError("there is nothing to learn from: the training set is empty")
        if batch_size % world:
            raise ValueError(
                f"batch_size is {batch_size} for all workers together and cannot be shared "
                f"by {world} workers; make it a multiple of {world}"
            )
        self.num_samples = num_samples
        self.batch_size = batch_size
        self.seed = seed
        self.steps = steps
        self.rank = rank
        self.world = world

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[list[Key]]:
        order_of = (-1, np.zeros(0, dtype=np.int64))
        for step in self.steps:
            keys: list[Key] = []
            first = (step - 1) * self.batch_size  # steps count from 1
            for position in range(first + self.rank, first + self.batch_size, self.world):
                epoch, place = divmod(position, self.num_samples)
                if epoch != order_of[0]:
                    order_of = (epoch, self.order(epoch))
                keys.append((epoch, int(order_of[1][place])))
            yield keys

    def order(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([self.seed, epoch]).permutation(self.num_samples)
