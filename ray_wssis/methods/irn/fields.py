"""A trained IRNet at work: boundaries and displacements of images.

Legend: B images, h w cells, K classes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from upath import UPath

from ray_wssis.data.records import Category
from ray_wssis.methods.irn.config import KIND, IRNetModel, read_config
from ray_wssis.methods.irn.network import CELL, IRNet, IRNetOutput
from ray_wssis.models.at_work import run_on_images
from ray_wssis.models.model_folder import describe, load_weights, save_model


class Seen(NamedTuple):
    """Fields of one image."""

    boundary: Float[Tensor, "h w"]  # 0..1
    displacement: Float[Tensor, "2 h w"]  # cells down and to the right, to the centroid


class Fields:
    def __init__(self, network: IRNet, model: IRNetModel) -> None:
        self.network = network
        self.model = model
        self.device = network.mean.device

    @classmethod
    def load(cls, folder: UPath, device: torch.device) -> "Fields":
        model = read_config(folder)
        network = IRNet(model.network)
        load_weights(folder, network)
        return cls(network.to(device).eval(), model)

    def save(self, folder: UPath, categories: tuple[Category, ...], card: str) -> None:
        save_model(folder, self.network, describe(KIND, self.model, categories), card)

    @torch.inference_mode()
    def see(self, images: Sequence[UInt8[np.ndarray, "_ _ 3"]]) -> list[Seen]:
        """Compute the fields of images of network size.

        Boundaries are the mean of an image and its mirror image.
        """
        both = [*images, *(image[:, ::-1] for image in images)]
        output: IRNetOutput = run_on_images(self.network, self.network, both, self.device)
        displacement = output.field.float() - self.network.mean_field[:, None, None]
        found = []
        for place, image in enumerate(images):
            height, width = (-(-side // CELL) for side in image.shape[:2])
            plain, mirrored = (
                output.boundary[i, :height, :width].float() for i in (place, place + len(images))
            )
            boundary = ((plain + mirrored.flip(-1)) / 2).sigmoid()
            found.append(Seen(boundary, displacement[place, :, :height, :width]))
        return found
