"""Streaming and training in this process: what the workers of Ray do, one after the other."""

import pickle
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from upath import UPath

from ray_wssis.streaming.actor import StreamActor
from ray_wssis.streaming.config import LabellingWorkers
from ray_wssis.streaming.decode import Decoder, Image, read_task
from ray_wssis.streaming.plan import Source, plan_batches
from ray_wssis.streaming.shards import finish_and_write
from ray_wssis.streaming.stream import Pass
from ray_wssis.streaming.throughput import Throughput
from ray_wssis.training.checkpoint import State
from ray_wssis.training.config import TrainingConfig, TrainingWorkers
from ray_wssis.training.feeding import batches_from_processes
from ray_wssis.training.running_mean import RunningMean
from ray_wssis.training.schedule import build_optimizer, learning_rate, set_rate
from ray_wssis.training.streams import LoadedStreams
from ray_wssis.training.task import Task


def refuse_work(patch: pytest.MonkeyPatch) -> None:
    """Make every training and every stream fail: a stage that is finished needs neither."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    patch.setattr("ray_wssis.training.run.train", refuse)
    patch.setattr("ray_wssis.streaming.stream.stream", refuse)


def batches_of(job: Pass, batch_size: int) -> list[list[Image]]:
    """Decode the images of each batch."""
    labeller = job.labeller
    decoder = Decoder(
        network_size=labeller.network_size,
        needs_original=labeller.needs_original,
        max_megapixels=100,
    )
    batches = []
    for file in job.records:
        source = Source(
            file,
            labeller.made_from,
            labeller.network_size,
            needs_original=labeller.needs_original,
        )
        planned = plan_batches(source, labeller.canvas_multiple, batch_size)
        if planned:
            batches += [decoder(images)[0] for images in read_task(source.task(planned))]
    return batches


def stream_here(job: Pass, workers: LabellingWorkers, **_: object) -> Throughput:
    actor = StreamActor()
    actor.infer = job.labeller.open()
    rows = [pickle.dumps(actor.rows(images)) for images in batches_of(job, workers.batch_size)]
    finish_and_write(job.out, job.labeller, *rows)
    return Throughput()


def train_here(
    task: Task, config: TrainingConfig, seed: int, workers: TrainingWorkers, folder: UPath
) -> None:
    """What one training worker does, without checkpoints."""
    for step, learner, total in training_steps(task, config, seed):
        assert total.isfinite()
        if step in config.early:
            task.save(learner, folder / f"early_{config.early.index(step) + 1}")
    for name, value in learner.named_parameters():
        assert (value.grad is not None) == value.requires_grad, name
    figures = task.validate(learner)
    assert task.best_metric in figures
    task.save(learner, folder / "model")


def training_steps(
    task: Task, config: TrainingConfig, seed: int
) -> Iterator[tuple[int, Any, Tensor]]:
    """Train, and yield after every step its number, the learner and the sum of the losses."""
    state = fresh_state(task, config, seed)
    for total in steps_until(config.steps, state, task, config, seed):
        yield state.step, state.learner, total


def fresh_state(task: Task, config: TrainingConfig, seed: int) -> State:
    """What a worker has before its first step."""
    torch.manual_seed(seed)
    learner = task.learner().to(memory_format=torch.channels_last).train()
    mean = None if config.ema is None else RunningMean(learner, config.ema)
    return State(learner, build_optimizer(learner, config), mean)


def steps_until(
    last: int, state: State, task: Task, config: TrainingConfig, seed: int
) -> Iterator[Tensor]:
    """Take the steps up to `last` that a state has not seen; yields the sum of the losses."""
    streams = LoadedStreams(task.streams(), seed)
    steps = range(state.step + 1, last + 1)
    loader = batches_from_processes(streams, streams.sampler(steps), 0, pin_memory=False)
    for step, batches in zip(steps, loader, strict=True):
        set_rate(state.optimizer, learning_rate(config, step))
        torch.manual_seed(seed * 1_000_003 + step)
        losses: dict[str, Tensor] = state.learner(batches)
        total = torch.stack(list(losses.values())).sum()
        state.optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(state.learner.parameters(), config.max_grad_norm)
        state.update(step)
        yield total
