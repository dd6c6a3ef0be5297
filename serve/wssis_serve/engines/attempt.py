"""The first image of a model: networks that cannot answer are refused before anybody asks."""

import io
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import nn

from ray_wssis.data.records import Category

WIDTH, HEIGHT = 64, 48


def example_image() -> bytes:
    """A small PNG of noise."""
    pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def check_model(categories: Sequence[Category], *networks: nn.Module) -> None:
    """Raise ValueError for ids and names of classes that no answer can hold, and for a weight that
    is no number."""
    for category in categories:
        if not isinstance(category.id, int) or not isinstance(category.name, str):
            raise ValueError(
                f"the class {category.name!r} has the id {category.id!r}; wanted: a text and a "
                "whole number"
            )
    for network in networks:
        for name, value in network.state_dict().items():
            if value.is_floating_point() and not bool(torch.isfinite(value).all()):
                raise ValueError(f"the weights {name} hold values that are not finite")
