"""The samples of a training step: a function of the seed, the stream and the step, nothing else.

A stream is a data set of which every step takes the same number of samples; each stream cycles at
its own pace, so that a short one repeats while a long one is still in its first epoch.  Training
continues after a crash exactly where it stopped, however many workers share the quotas.
"""

import math
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Key = tuple[int, int]  # epoch, position in the data set
StepKeys = dict[str, list[Key]]  # by stream


class Samples(Protocol):
    """A data set: numbered samples, drawn with a given source of randomness."""

    def __len__(self) -> int: ...
    def orientations(self) -> NDArray[np.bool_]: ...  # [samples]: higher than wide?
    def sample(self, index: int, rng: np.random.Generator) -> Any: ...
    def collate(self, samples: list[Any]) -> Any: ...  # a batch, see `task.Batch`


@dataclass(frozen=True)
class Stream:
    """A data set, read where it is needed, and its quota of every step."""

    load: Callable[[], Samples]
    quota: int  # samples per step, of all workers together


def check_quotas(streams: Mapping[str, Stream], batch_size: int, numbers: Collection[int]) -> None:
    """Raise ValueError for quotas that some of these numbers of workers cannot share, or that do
    not add up to the batch."""
    quotas = {name: stream.quota for name, stream in streams.items()}
    for name, quota in quotas.items():
        if quota < 1:
            raise ValueError(f"stream {name} takes {quota} samples per step; it needs at least one")
        if unfit := [str(number) for number in numbers if quota % number]:
            raise ValueError(
                f"stream {name} takes {quota} samples per step, which cannot be shared by "
                f"{' or '.join(unfit)} workers; make it a multiple of {math.lcm(*numbers)}"
            )
    if sum(quotas.values()) != batch_size:
        listed = " + ".join(f"{name} {quota}" for name, quota in quotas.items())
        raise ValueError(
            f"training.batch_size is {batch_size}, but a step takes {listed} = "
            f"{sum(quotas.values())} samples; make them equal"
        )


def seeds_of(names: Collection[str], seed: int) -> dict[str, tuple[int, ...]]:
    """The seeds of each stream.  An only stream has the plain seed, whatever its name, so that
    runs from before there were streams can be repeated."""
    if len(names) == 1:
        return dict.fromkeys(names, (seed,))
    return {name: (seed, zlib.crc32(name.encode())) for name in names}


class LoadedStreams:
    """All streams of a task, with their samples."""

    def __init__(self, streams: Mapping[str, Stream], seed: int) -> None:
        self.quotas = {name: stream.quota for name, stream in streams.items()}
        self.samples = {name: stream.load() for name, stream in streams.items()}
        self.seeds = seeds_of(streams, seed)

    def sampler(self, steps: range, rank: int = 0, world: int = 1) -> "StepSampler":
        """One worker's share of these steps, counted from 1.

        Raises ValueError if a stream has no samples.
        """
        samplers = {}
        for name, samples in self.samples.items():
            if not len(samples):
                raise ValueError(f"stream {name}: the training set is empty")
            samplers[name] = StreamSampler(
                samples.orientations(), self.quotas[name], self.seeds[name], steps, rank, world
            )
        return StepSampler(samplers, steps)

    def batches(self, keys: Mapping[str, Sequence[Key]]) -> dict[str, Any]:
        """The batch of each stream."""
        return {
            name: self.samples[name].collate(
                [draw(self.samples[name], self.seeds[name], key) for key in keys[name]]
            )
            for name in self.samples
        }


def draw(samples: Samples, seeds: Sequence[int], key: Key) -> Any:
    """A sample with randomness of its own, from the seeds, the epoch and the position."""
    epoch, index = key
    return samples.sample(index, np.random.default_rng([*seeds, epoch, index]))


class StepSampler:
    """One worker's share of each step, by stream."""

    def __init__(self, samplers: Mapping[str, "StreamSampler"], steps: range) -> None:
        self.samplers = samplers
        self.steps = steps

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[StepKeys]:
        for keys in zip(*self.samplers.values(), strict=True):
            yield dict(zip(self.samplers, keys, strict=True))


class StreamSampler:
    """One worker's share of a stream, for each of `steps`, counted from 1.

    A batch is of upright images or of lying ones, but for one or two an epoch: on a canvas that
    holds both, a network would look at a third more pixels.
    """

    def __init__(
        self,
        upright: NDArray[np.bool_],  # [samples]
        quota: int,
        seeds: Sequence[int],
        steps: range,
        rank: int,
        world: int,
    ) -> None:
        assert quota % world == 0
        self.upright = upright
        self.quota = quota
        self.seeds = seeds
        self.steps = steps
        self.rank = rank
        self.world = world

    def __iter__(self) -> Iterator[list[Key]]:
        order_of = (-1, np.zeros(0, dtype=np.int64))
        for step in self.steps:
            keys: list[Key] = []
            first = (step - 1) * self.quota
            for position in range(first + self.rank, first + self.quota, self.world):
                epoch, place = divmod(position, len(self.upright))
                if epoch != order_of[0]:
                    order_of = (epoch, self.order(epoch))
                keys.append((epoch, int(order_of[1][place])))
            yield keys

    def order(self, epoch: int) -> NDArray[np.int64]:
        """All samples, shuffled; those of a batch lie beside each other."""
        rng = np.random.default_rng([*self.seeds, epoch])
        shuffled = rng.permutation(len(self.upright))
        if self.upright.all() or not self.upright.any():
            return shuffled
        begun = -epoch * len(shuffled) % self.quota  # these end a batch of the last epoch
        parts, rest = [], [shuffled[:begun]]
        for upright in (True, False):
            alike = shuffled[begun:][self.upright[shuffled[begun:]] == upright]
            full = len(alike) // self.quota * self.quota
            parts.append(alike[:full].reshape(-1, self.quota))
            rest.append(alike[full:])
        batches = rng.permutation(np.concatenate(parts))  # of rows
        return np.concatenate([rest[0], batches.ravel(), *rest[1:]])
