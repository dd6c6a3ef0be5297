"""A training step of SOLOv2 beside one of torchvision's Mask R-CNN, on a CPU.

    python -m benchmarks.training_step --shorter 320 --runs 7

Both on a ResNet-50 with random weights, on the same two images with the same objects: forward,
losses, backward, and a step of SGD with momentum.  Ours is what the training loop does (channels
last, clipped gradients), with the published teacher and student: stem and first stage frozen,
batch norm as it came.  torchvision trains the whole backbone, batch norm too, when it starts
without weights, so a third row of ours does the same.
"""

import argparse
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torchvision.models.detection import maskrcnn_resnet50_fpn_v2
from torchvision.ops import masks_to_boxes

from benchmarks.scenes import NUM_CLASSES, random_samples, segmenter_config
from benchmarks.timing import interleaved, ratio, spread, table
from ray_wssis.instance.learner import SegmenterLearner
from ray_wssis.instance.samples import Batch, Sample, collate
from ray_wssis.instance.segmenter_config import SegmenterConfig
from ray_wssis.instance.task import IMAGES
from ray_wssis.models.backbone_config import BackboneConfig
from ray_wssis.training.config import TrainingConfig
from ray_wssis.training.schedule import build_optimizer

SCHEDULE = TrainingConfig(steps=1, learning_rate=1e-4)  # so small that random weights stay sane
WHOLE = BackboneConfig(name="resnet50", weights="none", frozen_stages=0, norm="batch")
Step = Callable[[], None]


def main() -> None:
    options = read_options()
    torch.manual_seed(0)
    torch.set_flush_denormal(True)  # as the training loop does
    height, width = options.shorter, round(options.shorter * 4 / 3)
    samples, masks = random_samples(options.images, options.objects, height, width)
    batch = collate(samples)
    steps = {
        "torchvision Mask R-CNN v2": mask_rcnn_step(samples, masks),
        "torchvision, channels last": mask_rcnn_step(samples, masks, torch.channels_last),
        "SOLOv2, student grids": solov2_step(segmenter_config("student"), batch),
        "SOLOv2, teacher grids": solov2_step(segmenter_config("teacher"), batch),
        "SOLOv2, student grids, whole backbone": solov2_step(
            segmenter_config("student", WHOLE), batch
        ),
    }
    seconds = interleaved(steps, options.runs)
    first = next(iter(seconds.values()))
    rows = [
        [name, f"**{ratio(values, first)}**", spread(values)] for name, values in seconds.items()
    ]
    print(
        f"{options.images} images of {width} x {height} with {options.objects} objects each, "
        f"{torch.get_num_threads()} threads, {options.runs} runs\n"
    )
    print(table(["step", "time / the first", "time"], rows))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shorter", type=int, default=320, help="network pixels")
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--objects", type=int, default=8, help="per image")
    parser.add_argument("--runs", type=int, default=5)
    return parser.parse_args()


def solov2_step(config: SegmenterConfig, batch: Batch) -> Step:
    learner = SegmenterLearner(config, NUM_CLASSES).to(memory_format=torch.channels_last).train()
    optimizer = build_optimizer(learner, SCHEDULE)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(learner({IMAGES: batch}).values())).sum().backward()
        nn.utils.clip_grad_norm_(learner.parameters(), SCHEDULE.max_grad_norm)
        optimizer.step()

    return step


def mask_rcnn_step(
    samples: list[Sample],
    masks: list[np.ndarray],
    memory_format: torch.memory_format = torch.contiguous_format,
) -> Step:
    height, width = samples[0].image.shape[:2]
    network = maskrcnn_resnet50_fpn_v2(
        weights=None,
        weights_backbone=None,
        num_classes=NUM_CLASSES + 1,  # and the background
        min_size=min(height, width),  # images keep their size
        max_size=max(height, width),
    )
    network = network.to(memory_format=memory_format).train()
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=SCHEDULE.learning_rate, momentum=0.9)
    images = [torch.from_numpy(sample.image).permute(2, 0, 1) / 255 for sample in samples]
    targets = [
        {
            "labels": torch.tensor(sample.labels) + 1,
            "masks": torch.from_numpy(own),
            "boxes": masks_to_boxes(torch.from_numpy(own)) + torch.tensor([0.0, 0, 1, 1]),
        }
        for sample, own in zip(samples, masks, strict=True)
    ]

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(network(images, targets).values())).sum().backward()
        optimizer.step()

    return step


if __name__ == "__main__":
    main()
