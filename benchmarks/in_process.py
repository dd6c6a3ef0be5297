"""A training without Ray: the steps of the one worker of a run, in this process."""

import torch
from torch import nn

from ray_wssis.training.config import TrainingConfig
from ray_wssis.training.feeding import batches_from_processes
from ray_wssis.training.schedule import build_optimizer, learning_rate, set_rate
from ray_wssis.training.streams import LoadedStreams
from ray_wssis.training.task import Task


def train_here(task: Task, config: TrainingConfig, seed: int) -> dict[str, float]:
    """Train on this processor and return the figures of the last step."""
    torch.set_flush_denormal(True)
    torch.manual_seed(seed)
    streams = LoadedStreams(task.streams(), seed)
    learner = task.learner().to(memory_format=torch.channels_last).train()
    optimizer = build_optimizer(learner, config)
    steps = range(1, config.steps + 1)
    loader = batches_from_processes(streams, streams.sampler(steps), 0, pin_memory=False)
    for step, batches in zip(steps, loader, strict=True):
        set_rate(optimizer, learning_rate(config, step))
        torch.manual_seed(seed * 1_000_003 + step)
        losses: dict[str, torch.Tensor] = learner(batches)
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        nn.utils.clip_grad_norm_(learner.parameters(), config.max_grad_norm)
        optimizer.step()
    return task.validate(learner)
