"""Compares ways to load batches for training, and the share of the time that the network works.

    python -m benchmarks.feeding speed --annotations A.json --images FOLDER
    python -m benchmarks.feeding share --annotations A.json --images FOLDER
    python -m benchmarks.feeding canvas --annotations A.json --images FOLDER

`speed`: images per second of each way, decoded, augmented and collated as the published student
needs them, when nothing else happens.  Ray Data makes the same batches in the same order.

`share`: the network's share of a training step.  A GPU leaves the processors alone, so a wait as
long as its step stands in for it; the last row is SOLOv2 itself on the processors.

`canvas`: the pixels that a network looks at per image, when batches have one orientation and when
they do not.
"""

import argparse
import os
import pickle
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import cv2
import numpy as np
import ray
import ray.data
import torch
from torch import nn

from benchmarks.scenes import segmenter_config
from benchmarks.timing import table
from ray_wssis.data.augment import draw_geometry
from ray_wssis.data.augment_config import AugmentConfig
from ray_wssis.data.coco.read import read_coco
from ray_wssis.data.records import Record
from ray_wssis.instance.learner import SegmenterLearner
from ray_wssis.instance.samples import Batch, SegmenterSamples
from ray_wssis.instance.task import IMAGES
from ray_wssis.models.solov2_config import PADDING_MULTIPLE
from ray_wssis.session import connect
from ray_wssis.streaming.plan import padded
from ray_wssis.training.config import TrainingConfig
from ray_wssis.training.feeding import batches_from_actors, batches_from_processes
from ray_wssis.training.input_wait import InputWait
from ray_wssis.training.schedule import build_optimizer
from ray_wssis.training.streams import LoadedStreams, StepSampler, Stream, StreamSampler

SEED = 0
EPOCHS = 20  # for canvases
WARM_UP = 4  # batches that are not timed, while processes start
SCHEDULE = TrainingConfig(steps=1, learning_rate=1e-4)  # so small that random weights stay sane
Batches = dict[str, Batch]
Feed = Callable[[StepSampler], Iterable[Batches]]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Images and masks of a COCO file, as the published student learns from them."""

    annotations: str
    images: str
    batch_size: int

    def load(self) -> SegmenterSamples:
        return SegmenterSamples(read_coco(self.annotations, self.images), AugmentConfig())

    def streams(self) -> dict[str, Stream]:
        return {IMAGES: Stream(self.load, self.batch_size)}


def main() -> None:
    options = read_options()
    os.environ["RAY_DATA_DISABLE_PROGRESS_BARS"] = "1"
    source = Source(
        annotations=options.annotations, images=options.images, batch_size=options.batch_size
    )
    {"speed": show_speed, "share": show_share, "canvas": show_canvas}[options.what](source, options)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["speed", "share", "canvas"])
    parser.add_argument("--annotations", required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--batches", type=int, default=20, help="number that is timed, each time")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--number", type=int, default=2, help="processes, actors or tasks at most")
    parser.add_argument("--rates", type=int, nargs="+", default=[20, 40, 60], help="images / s")
    return parser.parse_args()


def feeds(source: Source, number: int) -> dict[str, Feed]:
    connect()
    streams = LoadedStreams(source.streams(), SEED)

    def from_processes(sampler: StepSampler, num: int) -> Iterable[Batches]:
        return batches_from_processes(streams, sampler, num, pin_memory=False)

    def from_actors(sampler: StepSampler, num: int) -> Iterable[Batches]:
        return batches_from_actors(source, SEED, sampler, num, pin_memory=False)

    def from_ray_data(sampler: StepSampler, num: int) -> Iterable[Batches]:
        return batches_from_ray_data(streams, sampler, num)

    ways: dict[str, Feed] = {"the worker itself": partial(from_processes, num=0)}
    for num in range(1, number + 1):
        ways[f"{num} loader workers"] = partial(from_processes, num=num)
        ways[f"{num} loader actors"] = partial(from_actors, num=num)
        ways[f"{num} tasks of Ray Data"] = partial(from_ray_data, num=num)
    return ways


def batches_from_ray_data(
    streams: LoadedStreams, sampler: StepSampler, number: int
) -> Iterator[Batches]:
    """Yield batches from Ray Data, a block for each, in order, as resuming at any step needs it."""
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    shared = ray.put(streams)

    def make(row: dict[str, Any]) -> dict[str, Any]:
        cv2.setNumThreads(1)
        keys = [(epoch, index) for epoch, index in row["keys"]]
        batches = ray.get(shared).batches({IMAGES: keys})
        return {"batches": pickle.dumps(batches, protocol=5)}

    rows = [{"keys": keys[IMAGES]} for keys in sampler]
    blocks = ray.data.from_items(rows, override_num_blocks=len(rows))
    compute = ray.data.TaskPoolStrategy(size=number)
    for row in blocks.map(make, num_cpus=1, compute=compute).iter_rows():
        batches: Batches = pickle.loads(row["batches"])
        yield batches


def sampler_of(source: Source, steps: range) -> StepSampler:
    return LoadedStreams(source.streams(), SEED).sampler(steps)


def show_speed(source: Source, options: argparse.Namespace) -> None:
    sampler = sampler_of(source, range(1, WARM_UP + options.batches + 1))
    ways = feeds(source, options.number)
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.runs):
        for name, feed in ways.items():
            rates[name].append(rate_of(feed(sampler), options.batch_size))
    first = statistics.median(rates["the worker itself"])
    rows = [
        [name, spread(values), f"**{statistics.median(values) / first:.2f}**"]
        for name, values in rates.items()
    ]
    print(table(["made by", "images / s", "/ the worker itself"], rows))


def rate_of(batches: Iterable[Batches], batch_size: int) -> float:
    """Return images per second after the warm-up."""
    start, num = time.perf_counter(), 0
    for place, _ in enumerate(batches, start=1):
        if place == WARM_UP:
            start = time.perf_counter()
        num = place
    return (num - WARM_UP) * batch_size / (time.perf_counter() - start)


def show_share(source: Source, options: argparse.Namespace) -> None:
    sampler = sampler_of(source, range(1, WARM_UP + options.batches + 1))
    ways = feeds(source, options.number)
    chosen = [name for name in ways if name[0].isalpha() or name.startswith(str(options.number))]
    rows = []
    for rate in options.rates:
        seconds = options.batch_size / rate
        step = partial(wait, seconds)
        for name in chosen:
            shares = [share_of(ways[name](sampler), step) for _ in range(options.runs)]
            rows.append([f"a GPU of {rate} images / s", name, f"**{spread(shares)}**"])
    few = sampler_of(replace(source, batch_size=2), range(1, WARM_UP + 5))
    network = solov2_step()
    shares = [share_of(ways["the worker itself"](few), network) for _ in range(options.runs)]
    rows.append(["SOLOv2-R50 on the processors", "the worker itself", f"**{spread(shares)}**"])
    print(table(["network", "batches made by", "its share of a step, %"], rows))


def show_canvas(source: Source, options: argparse.Namespace) -> None:
    samples = source.load()
    upright = samples.orientations()
    own = statistics.mean(map(pixels_alone, samples.records))
    rows = [["alone", f"{own / 1e6:.2f}", "", ""]]
    for batch_size in (2, 4, 16):
        steps = range(1, EPOCHS * len(samples) // batch_size + 1)
        mixed, grouped = (
            mean_canvas(samples, StreamSampler(orientations, batch_size, [SEED], steps, 0, 1))
            for orientations in (np.zeros_like(upright), upright)
        )
        rows.append(
            [
                f"in batches of {batch_size}",
                f"{mixed / 1e6:.2f}",
                f"{grouped / 1e6:.2f}",
                f"**{grouped / mixed:.2f}**",
            ]
        )
    print(table(["image", "mixed, Mpx", "of one orientation, Mpx", "ratio"], rows))


def pixels_alone(record: Record) -> float:
    sizes = [canvas([record], np.random.default_rng(epoch)) for epoch in range(EPOCHS)]
    return statistics.mean(sizes)


def mean_canvas(samples: SegmenterSamples, sampler: StreamSampler) -> float:
    rng = np.random.default_rng(SEED)
    return statistics.mean(
        canvas([samples.records[index] for _, index in keys], rng) for keys in sampler
    )


def canvas(records: list[Record], rng: np.random.Generator) -> int:
    """Return the pixels per image of a batch, as augmented."""
    shapes = [
        draw_geometry(record.height, record.width, AugmentConfig(), rng) for record in records
    ]
    largest = (max(shape.height for shape in shapes), max(shape.width for shape in shapes))
    height, width = padded(largest, PADDING_MULTIPLE)
    return height * width


def wait(seconds: float, _: Batches) -> None:
    time.sleep(seconds)


def solov2_step() -> Callable[[Batches], None]:
    learner = SegmenterLearner(segmenter_config("student"), 80)
    learner = learner.to(memory_format=torch.channels_last).train()
    optimizer = build_optimizer(learner, SCHEDULE)

    def step(batches: Batches) -> None:
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(learner(batches).values())).sum().backward()
        nn.utils.clip_grad_norm_(learner.parameters(), SCHEDULE.max_grad_norm)
        optimizer.step()

    return step


def share_of(feed: Iterable[Batches], step: Callable[[Batches], None]) -> float:
    """Return the percent of the time after the warm-up in which the network has a batch."""
    input_wait, start = InputWait(torch.device("cpu")), time.perf_counter()
    for place, batches in enumerate(feed, start=1):
        input_wait.end()
        step(batches)
        if place == WARM_UP:
            input_wait.take()
            start = time.perf_counter()
        input_wait.begin()
    return 100 * (1 - input_wait.take() / (time.perf_counter() - start))


def spread(values: list[float]) -> str:
    """Format the median, the lowest and the highest value."""
    return f"{statistics.median(values):.1f} ({min(values):.1f}-{max(values):.1f})"


if __name__ == "__main__":
    main()
