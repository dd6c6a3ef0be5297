"""Seconds that a step of a training takes here, measured before any training begins.

On CPUs they are those in which the thread that trains was at work, which is as long as a step takes
when nothing else runs: other work on the machine would make every measurement another one.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ray_wssis.session import connect
from ray_wssis.training.config import TrainingConfig, TrainingWorkers
from ray_wssis.training.task import Task

NUM_STEPS = 3  # that are timed, after one that is not
LONGEST = 10.0  # seconds of a step of the full batch that is worth timing
PATIENCE = 600.0  # seconds for all of it


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A training to be timed: with few samples first, and with all of them if that is quick."""

    few: Task
    full: Task
    share: float  # samples of `full` over those of `few`
    num_validated: int  # images that `few` validates on
    config: TrainingConfig


class Timing(NamedTuple):
    step: float  # seconds
    validated: float  # seconds, for each image of a validation


def time_trainings(
    probes: Mapping[str, Probe], seed: int, workers: TrainingWorkers
) -> dict[str, Timing]:
    """Time some steps of each training in a process like those that will train.

    Raises what a step raises, and GetTimeoutError after ten minutes.
    """
    import ray

    from ray_wssis.training.placement import place_of  # imports Ray

    connect()
    gpu, cpus = place_of(workers)
    timed = ray.remote(time_all).options(num_cpus=cpus, num_gpus=int(gpu), max_retries=0)
    answer = timed.remote(dict(probes), seed)
    try:
        timings: dict[str, Timing] = ray.get(answer, timeout=PATIENCE)
    except BaseException:
        ray.cancel(answer, force=True)
        raise
    return timings


def time_all(probes: dict[str, Probe], seed: int) -> dict[str, Timing]:
    return {name: time_probe(probe, seed) for name, probe in probes.items()}


def time_probe(probe: Probe, seed: int) -> Timing:
    import torch

    torch.set_flush_denormal(True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    learner = probe.few.learner().to(device).to(memory_format=torch.channels_last)
    step = probe.share * time_steps(probe.few, probe.config, learner, device, seed)
    if step < LONGEST:
        step = time_steps(probe.full, probe.config, learner, device, seed)
    clock = clock_of(device.type)
    start = clock()
    probe.few.validate(learner)
    return Timing(step, (clock() - start) / probe.num_validated)


def clock_of(device: str) -> Callable[[], float]:
    """Return the clock that leaves out what other programs do meanwhile, if the device has one."""
    return time.thread_time if device == "cpu" else time.perf_counter


def time_steps(task: Task, config: TrainingConfig, learner: Any, device: Any, seed: int) -> float:
    """Return the seconds of the quickest step, its batch made included."""
    import torch

    from ray_wssis.training.schedule import build_optimizer
    from ray_wssis.training.streams import LoadedStreams

    streams = LoadedStreams(task.streams(), seed)
    optimizer = build_optimizer(learner, config)
    learner.train()
    seconds, clock = [], clock_of(device.type)
    for keys in streams.sampler(range(1, NUM_STEPS + 2)):
        start = clock()
        batches = {name: batch.to(device) for name, batch in streams.batches(keys).items()}
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            losses = learner(batches)
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
        losses = {name: float(loss) for name, loss in losses.items()}  # waits for the device
        seconds.append(clock() - start)
    return min(seconds[1:])
