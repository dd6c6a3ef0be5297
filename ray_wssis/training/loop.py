"""The training loop, which every worker runs.

Everything random is a function of the seed and the step, so a run that was killed and continues
from its last checkpoint ends with the same weights as one that was not.
"""

import errno
from collections.abc import Iterator

import ray
import ray.train
import ray.train.torch
import torch
from torch import Tensor, nn

from ray_wssis.training.checkpoint import State
from ray_wssis.training.feeding import batches_from_actors, batches_from_processes
from ray_wssis.training.input_wait import InputWait
from ray_wssis.training.progress import warnings_on
from ray_wssis.training.recorder import LOG_EVERY, Recorder
from ray_wssis.training.running_mean import RunningMean
from ray_wssis.training.schedule import build_optimizer, learning_rate, set_rate
from ray_wssis.training.stop_signal import StopSignal
from ray_wssis.training.streams import LoadedStreams
from ray_wssis.training.task import Batch
from ray_wssis.training.worker_setup import Setup

DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def learn(sent: "dict[str, ray.ObjectRef[Setup]]") -> None:
    """Train on one worker; Ray Train calls this on each.

    An error that a retry cannot fix (a bad image, a full disk, a loss that is not finite) is
    written on the board, where the driver reads it.  The group of workers that Ray may start next
    ends at once.
    """
    setup = ray.get(sent["setup"])
    torch.set_flush_denormal(True)  # on a CPU, numbers next to zero take many times longer
    if ray.get(setup.board.reason.remote()):
        return
    try:
        run_steps(setup)
    except (ValueError, FloatingPointError, OSError) as error:
        if not isinstance(error, OSError) or error.errno in DISK_IS_FULL:
            ray.get(setup.board.stop.remote(f"{setup.task.name}: {error}"))
            if ray.train.get_context().get_world_size() == 1:
                return  # no other worker waits for this one, so none need be started again
        raise


def run_steps(setup: Setup) -> None:
    config, context = setup.config, ray.train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    device = ray.train.torch.get_device()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    torch.manual_seed(setup.seed)
    streams = LoadedStreams(setup.task.streams(), setup.seed)
    learner = build_learner(setup, rank, synchronise=device.type == "cuda" and world > 1)
    replica = ray.train.torch.prepare_model(learner)  # moves the learner to the device
    state = State(learner, build_optimizer(learner, config), mean_of(learner, setup, rank))
    state.restore(device, setup.rescued)

    steps = range(state.step + 1, config.steps + 1)
    batches_of_steps = feed(setup, streams, steps, device)
    input_wait = InputWait(device)
    recorder = Recorder(setup, state, rank, input_wait)
    stop_signal = StopSignal(setup.board)
    learner.train()
    for step, batches in zip(steps, batches_of_steps, strict=True):
        input_wait.end()
        stop_signal.begin(step)
        rate = learning_rate(config, step)
        set_rate(state.optimizer, rate)
        torch.manual_seed(setup.seed * 1_000_003 + step)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            losses: dict[str, Tensor] = replica(
                {name: batch.to(device) for name, batch in batches.items()}
            )
        state.optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        nn.utils.clip_grad_norm_(learner.parameters(), config.max_grad_norm)
        is_last = stop_signal.is_last_step()
        save = is_last or recorder.is_due(step)
        if step % LOG_EVERY == 0 and stop_signal.node_is_leaving():
            save = True
        recorder.note(step, losses, rate, image_ids(batches), save)
        state.update(step)
        if save:
            recorder.keep()
        if is_last:
            break
        input_wait.begin()
    recorder.close()


def build_learner(setup: Setup, rank: int, synchronise: bool) -> nn.Module:
    """Build the learner of the task, its batch norms synchronised between GPUs."""
    with warnings_on(setup.board if rank == 0 else None):
        learner = setup.task.learner().to(memory_format=torch.channels_last)  # faster everywhere
    return nn.SyncBatchNorm.convert_sync_batchnorm(learner) if synchronise else learner


def mean_of(learner: nn.Module, setup: Setup, rank: int) -> RunningMean | None:
    """Start the running mean that the configuration asks for, on the worker that saves models."""
    if setup.config.ema is None or rank > 0:
        return None
    return RunningMean(learner, setup.config.ema)


def feed(
    setup: Setup, streams: LoadedStreams, steps: range, device: torch.device
) -> Iterator[dict[str, Batch]]:
    """Load this worker's share of the batches of each step, by stream."""
    context, pin_memory = ray.train.get_context(), device.type == "cuda"
    sampler = streams.sampler(steps, context.get_world_rank(), context.get_world_size())
    if setup.loader_actors:
        return batches_from_actors(setup.task, setup.seed, sampler, setup.loader_actors, pin_memory)
    return batches_from_processes(streams, sampler, setup.loader_workers, pin_memory)


def image_ids(batches: dict[str, Batch]) -> str:
    """`[3, 1]` of the only stream, `strong [3, 1], weak [7]` of several."""
    if len(batches) == 1:
        return str(next(iter(batches.values())).image_ids)
    return ", ".join(f"{name} {batch.image_ids}" for name, batch in batches.items())
