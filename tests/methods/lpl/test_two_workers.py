"""Two workers that share each batch learn what one learns from all of it."""

import multiprocessing
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ray_wssis.methods.lpl.learner import LPLLearner
from ray_wssis.semantic.samples import Batch
from ray_wssis.semantic.segmenter_config import SemanticConfig
from tests.support.tiny_semantic import TINY, batch

STEPS = 3
PATIENCE = timedelta(seconds=60)


def share(whole: Batch, rank: int, world: int) -> Batch:
    return Batch(**{field.name: getattr(whole, field.name)[rank::world] for field in fields(Batch)})


def learn(rank: int, world: int) -> tuple[list[float], torch.Tensor]:
    """Take a few steps; return the losses, as means of the workers, and one of the weights."""
    torch.manual_seed(0)
    network = TINY.network.model_dump()
    network["backbone"]["norm"] = "frozen"  # statistics of a batch would be those of a share
    learner = LPLLearner(SemanticConfig.model_validate({"network": network}), 3)
    learner.judge.counts.copy_(1e5 * torch.tensor([[9, 8, 7], [9, 8, 7], [8.5, 7.9, 6]]))
    for module in learner.modules():
        if isinstance(module, nn.Dropout2d):
            module.p = 0  # each worker draws its own channels
    replica = DistributedDataParallel(learner) if world > 1 else learner
    optimizer = torch.optim.SGD(learner.parameters(), lr=0.05)
    found = []
    for step in range(STEPS):
        strong = batch(4, [[True, True, False]] * 4, 2 * step)
        weak = batch(4, [[True, False, True], [True, True, False]] * 2, 2 * step + 1)
        strong.class_maps[1, 9:] = 255  # the workers know different numbers of pixels
        weak.inside[2, 5:] = False
        batches = {"strong": share(strong, rank, world), "weak": share(weak, rank, world)}
        losses = torch.stack(list(replica(batches).values()))
        optimizer.zero_grad()
        losses.sum().backward()
        optimizer.step()
        mean = losses.detach() / world
        if world > 1:
            torch.distributed.all_reduce(mean)
        found += mean.tolist()
    return found, next(iter(learner.hybrid.heads.parameters())).detach()


def work(rank: int, meeting: str) -> tuple[list[float], torch.Tensor]:
    """Be one of two workers."""
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=2, timeout=PATIENCE
    )
    try:
        return learn(rank, 2)
    finally:
        torch.distributed.destroy_process_group()


def test_two_workers_learn_what_one_learns(tmp_path: Path) -> None:
    meeting = str(tmp_path / "meeting")
    other = multiprocessing.get_context("spawn").Process(target=work, args=(1, meeting))
    other.start()
    try:
        alone, weights = learn(0, 1)  # while the other process starts
        together, shared_weights = work(0, meeting)
        other.join(PATIENCE.total_seconds())
    finally:
        other.kill()
    assert other.exitcode == 0
    assert min(alone) > 1e-3
    assert together == pytest.approx(alone, rel=1e-4)
    torch.testing.assert_close(shared_weights, weights, atol=1e-5, rtol=1e-4)
