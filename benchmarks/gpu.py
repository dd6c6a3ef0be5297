"""Images per second of training and of point labelling on a GPU, and where the time goes.

    python -m benchmarks.gpu --device cuda --batch 8 --runs 20
    python -m benchmarks.gpu --device cpu --shorter 128 --batch 2 --backbone resnet18 --runs 2

SOLOv2 with the published widths and random weights: the student's training step, and labelling
with the teacher, everything but the refiner.  Three ways, in turn: float32 in the default memory
format (convolutions in TF32 where torch does so by itself); bfloat16 by autocast with channels
last; the same, compiled.  Images are in memory and, for training, already collated: reading and
augmenting them is left to loader workers.

*Outside the network*: the share of the time that the bare network does not need, which is a forward
pass for labelling, and forward and backward from plain sums for training.
"""

import argparse
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.scenes import (
    NUM_CLASSES,
    random_image,
    random_samples,
    random_segmenter,
    segmenter_config,
)
from benchmarks.timing import interleaved, ratio, spread, table
from ray_wssis.data.images.read import shortest_edge_size
from ray_wssis.instance.learner import SegmenterLearner
from ray_wssis.instance.samples import collate
from ray_wssis.instance.segmenter import network_image
from ray_wssis.instance.task import IMAGES
from ray_wssis.methods.point_wssis.point_segmenter import draw_points
from ray_wssis.models.backbone_config import BackboneConfig
from ray_wssis.models.canvas import pad_images
from ray_wssis.models.solov2 import SOLOv2Output
from ray_wssis.training.config import TrainingConfig
from ray_wssis.training.schedule import build_optimizer

ORIGINAL = (480, 640)  # height, width of the images and of the masks
SCHEDULE = TrainingConfig(steps=1, learning_rate=1e-4)  # so small that random weights stay sane


@dataclass(frozen=True, kw_only=True)
class Way:
    """Settings of a network: number format, memory format, compilation."""

    half: bool  # bfloat16 by autocast, and channels last
    compiled: bool

    def prepare(self, network: nn.Module) -> None:
        """Change the network in place."""
        network.to(memory_format=torch.channels_last if self.half else torch.contiguous_format)
        if self.compiled:
            network.compile(dynamic=False)

    def autocast(self, device: torch.device) -> torch.autocast:
        return torch.autocast(device.type, torch.bfloat16, enabled=self.half)


WAYS = {
    "float32": Way(half=False, compiled=False),
    "bfloat16, channels last": Way(half=True, compiled=False),
    "the same, compiled": Way(half=True, compiled=True),
}


@dataclass(frozen=True, kw_only=True)
class Work:
    """Functions to time: all of the work, and its network alone."""

    whole: Callable[[], object]
    network: Callable[[], object]


def main() -> None:
    options = read_options()
    torch.manual_seed(0)
    device = torch.device(options.device)
    backbone = BackboneConfig(name=options.backbone, weights="none")
    works = {
        (what, name): make(way, device, backbone, options)
        for what, make in (("training", training), ("labelling", labelling))
        for name, way in WAYS.items()
    }
    parts = {
        (*key, part): partial(waited, getattr(work, part), device)
        for key, work in works.items()
        for part in ("whole", "network")
    }
    seconds = interleaved(parts, options.runs)
    rows = []
    for what, name in works:
        whole, network = seconds[what, name, "whole"], seconds[what, name, "network"]
        times = ratio(seconds[what, "float32", "whole"], whole)
        per_second = options.batch / statistics.median(whole)
        outside = 1 - statistics.median(network) / statistics.median(whole)
        rows.append(
            [what, name, f"**{per_second:.1f}**", f"{times}", f"{outside:.0%}", spread(whole)]
        )
    machine = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    print(
        f"{machine}, {options.backbone}, batch {options.batch}, shorter side {options.shorter}, "
        f"{options.objects} objects and {options.points} points per image, {options.runs} runs\n"
    )
    head = ["what", "way", "images/s", "times float32", "outside the network", "a batch"]
    print(table(head, rows))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--batch", type=int, default=8, help="images")
    parser.add_argument("--shorter", type=int, default=800, help="network pixels")
    parser.add_argument("--longest", type=int, default=1333, help="network pixels")
    parser.add_argument("--objects", type=int, default=8, help="per image, in training")
    parser.add_argument("--points", type=int, default=8, help="per image, in labelling")
    parser.add_argument("--runs", type=int, default=10)
    return parser.parse_args()


def training(
    way: Way, device: torch.device, backbone: BackboneConfig, options: argparse.Namespace
) -> Work:
    size = shortest_edge_size(*ORIGINAL, options.shorter, options.longest)
    samples, _ = random_samples(options.batch, options.objects, *size)
    batch = collate(samples)
    learner = SegmenterLearner(segmenter_config("student", backbone), NUM_CLASSES).to(device)
    way.prepare(learner.network)
    optimizer = build_optimizer(learner, SCHEDULE)
    here = batch.to(device)

    def step() -> None:
        with way.autocast(device):
            losses = learner({IMAGES: batch.to(device)})
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        nn.utils.clip_grad_norm_(learner.parameters(), SCHEDULE.max_grad_norm)
        optimizer.step()

    def network_alone() -> None:
        with way.autocast(device):
            output = learner.network(here.images, here.sizes)
        parts = [*output.class_logits, *output.kernels, output.mask_features]
        torch.stack([part.float().sum() for part in parts]).sum().backward()

    return Work(whole=step, network=network_alone)


def labelling(
    way: Way, device: torch.device, backbone: BackboneConfig, options: argparse.Namespace
) -> Work:
    rng = np.random.default_rng(0)
    config = segmenter_config("teacher", backbone).model_copy(
        update={"shorter": options.shorter, "longest": options.longest}
    )
    segmenter = random_segmenter(config, device)
    way.prepare(segmenter.network)
    originals = [random_image(*ORIGINAL, rng) for _ in range(options.batch)]
    points = [(x * ORIGINAL[1], y * ORIGINAL[0]) for x, y in rng.random((options.points, 2))]
    labels = rng.integers(0, NUM_CLASSES, len(points)).tolist()

    def shown(images: Tensor, sizes: Tensor) -> SOLOv2Output:
        with way.autocast(device), torch.inference_mode():
            output: SOLOv2Output = segmenter.network(images, sizes)
        return output

    def label() -> None:
        images = [network_image(pixels, config) for pixels in originals]
        canvas, sizes = pad_images(images)
        output = shown(canvas.to(device), sizes.to(device))
        for index, image in enumerate(images):
            draw_points(segmenter, output, index, image.shape[:2], ORIGINAL, points, labels)

    canvas, sizes = pad_images([network_image(pixels, config) for pixels in originals])
    return Work(whole=label, network=partial(shown, canvas.to(device), sizes.to(device)))


def waited(work: Callable[[], object], device: torch.device) -> None:
    """Wait until the device is done."""
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()
