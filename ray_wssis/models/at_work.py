"""A network at work: images of different sizes in, its output out, nothing learnt."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from ray_wssis.models.canvas import pad_images
from ray_wssis.models.evaluating import evaluating

Output = TypeVar("Output")


def run_on_images(
    infer: Callable[[Tensor, Tensor], Output],
    network: nn.Module,
    images: Sequence[UInt8[np.ndarray, "_ _ 3"]],
    device: torch.device,
) -> Output:
    """Put RGB images of network size on one canvas and infer, at half precision on a GPU.

    `infer` takes canvas and sizes; it is `network`, or stands for it.
    """
    canvas, sizes = pad_images([np.ascontiguousarray(image) for image in images])
    mixed = torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")
    with evaluating(network), mixed:
        return infer(canvas.to(device), sizes.to(device))
