"""Which pictures a training step sees: a function of the seed and the step, nothing else.

So training goes on after a crash exactly where it stopped, and does not depend on how many
workers share the batch.
"""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

Key = tuple[int, int]  # epoch, position in the data set
Collate = Callable[[list[Any]], Any]  # samples -> a batch


class Samples(Protocol):
    """What can be learnt from: numbered samples, drawn with a given source of randomness."""

    def __len__(self) -> int: ...
    def orientations(self) -> NDArray[np.bool_]: ...  # of each sample: higher than wide?
    def sample(self, index: int, rng: np.random.Generator) -> Any: ...


class SeededSamples:
    """Draws each sample with randomness of its own, from seed, epoch and position."""

    def __init__(self, samples: Samples, seed: int) -> None:
        self.samples = samples
        self.seed = seed

    def __getitem__(self, key: Key) -> Any:
        epoch, index = key
        return self.samples.sample(index, np.random.default_rng([self.seed, epoch, index]))


class StepSampler(Sampler[list[Key]]):
    """One worker's part of each step's batch, from step `first` to step `last` inclusive.

    A batch is of upright pictures or of lying ones, but for one or two an epoch: on the canvas
    of both together, a network would look at a third more pixels.
    """

    def __init__(
        self,
        upright: NDArray[np.bool_],  # [samples]
        batch_size: int,
        seed: int,
        steps: range,
        rank: int,
        world: int,
    ) -> None:
        if len(upright) == 0:
            raise ValueError("there is nothing to learn from: the training set is empty")
        if batch_size % world:
            raise ValueError(
                f"batch_size is {batch_size} for all workers together and cannot be shared "
                f"by {world} workers; make it a multiple of {world}"
            )
        self.upright = upright
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
                epoch, place = divmod(position, len(self.upright))
                if epoch != order_of[0]:
                    order_of = (epoch, self.order(epoch))
                keys.append((epoch, int(order_of[1][place])))
            yield keys

    def order(self, epoch: int) -> NDArray[np.int64]:
        """All samples, shuffled; those of a batch lie beside each other."""
        rng = np.random.default_rng([self.seed, epoch])
        shuffled = rng.permutation(len(self.upright))
        if self.upright.all() or not self.upright.any():
            return shuffled
        begun = -epoch * len(shuffled) % self.batch_size  # these end a batch of the last epoch
        parts, rest = [], [shuffled[:begun]]
        for upright in (True, False):
            some = shuffled[begun:][self.upright[shuffled[begun:]] == upright]
            full = len(some) // self.batch_size * self.batch_size
            parts.append(some[:full].reshape(-1, self.batch_size))
            rest.append(some[full:])
        batches = rng.permutation(np.concatenate(parts))  # of rows
        return np.concatenate([rest[0], batches.ravel(), *rest[1:]])
