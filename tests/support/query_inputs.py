"""Images and objects for networks with queries."""

import torch

from ray_wssis.models.canvas import pad_images
from ray_wssis.models.solov2_targets import Instances


def images(*sizes: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    pictures = [
        torch.randint(0, 255, (*size, 3), dtype=torch.uint8, generator=generator).numpy()
        for size in sizes
    ]
    return pad_images(pictures)


def instances(*objects: tuple[int, int]) -> Instances:
    """Objects of the upper left quarter of an image, by place and label."""
    masks = torch.zeros(len(objects), 24, 24, dtype=torch.uint8)
    masks[:, :12, :12] = 1
    places = torch.full((len(objects), 2), 24.0)
    return Instances(
        image=torch.tensor([image for image, _ in objects], dtype=torch.int64),
        labels=torch.tensor([label for _, label in objects], dtype=torch.int64),
        centres=places,
        box_sizes=places,
        masks=masks,
    )
