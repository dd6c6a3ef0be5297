"""Two workers that share each batch, and one that has all of it."""

import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ray_wssis.semantic.samples import Batch

PATIENCE = timedelta(seconds=60)


class Learnt(NamedTuple):
    losses: list[float]  # of all steps, as means of the workers
    weights: Tensor


Learn = Callable[[int, int], Learnt]  # by rank and number of workers


def share(whole: Batch, rank: int, world: int) -> Batch:
    return Batch(**{field.name: getattr(whole, field.name)[rank::world] for field in fields(Batch)})


def take_steps(
    learner: nn.Module,
    batches: Sequence[Mapping[str, Batch]],
    weights: nn.Parameter,  # of the learner
    rank: int,
    world: int,
) -> Learnt:
    """Learn from this worker's share of each batch."""
    for module in learner.modules():
        if isinstance(module, nn.Dropout2d):
            module.p = 0  # each worker draws its own channels
    replica = DistributedDataParallel(learner) if world > 1 else learner
    trained = [parameter for parameter in learner.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.05)
    found = []
    for whole in batches:
        own = {name: share(batch, rank, world) for name, batch in whole.items()}
        losses = torch.stack(list(replica(own).values()))
        optimizer.zero_grad()
        losses.sum().backward()
        optimizer.step()
        mean = losses.detach() / world
        if world > 1:
            torch.distributed.all_reduce(mean)
        found += mean.tolist()
    return Learnt(found, weights.detach().clone())


def work(learn: Learn, rank: int, meeting: str) -> Learnt:
    """Be one of two workers."""
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=2, timeout=PATIENCE
    )
    try:
        return learn(rank, 2)
    finally:
        torch.distributed.destroy_process_group()


def check_two_learn_as_one(learn: Learn, folder: Path) -> Learnt:
    """Check that two workers learn what one learns, and return that; `learn` can be pickled."""
    meeting = str(folder / "meeting")
    other = multiprocessing.get_context("spawn").Process(target=work, args=(learn, 1, meeting))
    other.start()
    try:
        alone = learn(0, 1)  # while the other process starts
        together = work(learn, 0, meeting)
        other.join(PATIENCE.total_seconds())
    finally:
        other.kill()
    assert other.exitcode == 0
    assert together.losses == pytest.approx(alone.losses, rel=1e-4)
    torch.testing.assert_close(together.weights, alone.weights, atol=1e-5, rtol=1e-4)
    return alone
