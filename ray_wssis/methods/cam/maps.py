"""Class activation maps of a trained classifier: what it looks at, at several scales.

Legend: B images, K classes, H W pixels of the image that the network sees.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate
from upath import UPath

from ray_wssis.data.class_maps.tags import background_label
from ray_wssis.data.records import Category
from ray_wssis.methods.cam.config import KIND, ClassifierModel
from ray_wssis.methods.cam.network import CamNetwork
from ray_wssis.models.at_work import run_on_images
from ray_wssis.models.backbone_config import as_saved
from ray_wssis.models.model_folder import categories_of, load_weights, read_description
from ray_wssis.semantic.segmenter import resized
from ray_wssis.semantic.segmenter_config import Views

SMALL = 1e-5


class ActivationMaps:
    def __init__(
        self, network: CamNetwork, model: ClassifierModel, categories: tuple[Category, ...]
    ) -> None:
        self.network = network
        self.model = model
        self.categories = categories
        self.background = background_label(categories)
        self.device = network.classifier.mean.device

    @classmethod
    def load(cls, folder: UPath, device: torch.device) -> "ActivationMaps":
        model = read_model(folder)
        categories = categories_of(read_description(folder, KIND))
        background = background_label(categories)
        network = CamNetwork(model, len(categories), background)
        load_weights(folder, network)
        return cls(network.to(device).eval(), model, categories)

    @torch.inference_mode()
    def draw(
        self,
        images: Sequence[UInt8[np.ndarray, "_ _ 3"]],
        tags: Sequence[Sequence[int] | None],
        views: Views,
    ) -> list[Float[Tensor, "K H W"]]:
        """Compute the scores, 0..1, of the classes that each image may show, at its size.

        Maps of all views are added up, and each class's highest score is 1.  Classes that are no
        tag score 0, background too; tags that are None allow every class.
        """
        sums = [
            torch.zeros(len(self.categories), *image.shape[:2], device=self.device)
            for image in images
        ]
        for scale in views.scales:
            scaled = [resized(image, scale) for image in images]
            for flip in (False, True) if views.flip else (False,):
                seen = self.seen([image[:, ::-1] if flip else image for image in scaled])
                for total, own in zip(sums, seen, strict=True):
                    own = own.flip(-1) if flip else own
                    size = total.shape[-2:]
                    total += interpolate(own[None], size=size, mode="bilinear")[0].relu_()
        return [
            normalised(total * self.may_show(own)[:, None, None])
            for total, own in zip(sums, tags, strict=True)
        ]

    @torch.inference_mode()
    def seen(self, images: Sequence[UInt8[np.ndarray, "_ _ 3"]]) -> list[Float[Tensor, "K _ _"]]:
        """Compute the maps of each image as it is."""
        maps: Tensor = run_on_images(self.network, self.network, images, self.device)
        stride = self.network.classifier.stride
        return [
            own[:, : -(-image.shape[0] // stride), : -(-image.shape[1] // stride)]
            for own, image in zip(maps.float(), images, strict=True)
        ]

    def may_show(self, tags: Sequence[int] | None) -> Float[Tensor, " K"]:
        """Mark the classes, without background, that tags allow."""
        every = range(len(self.categories))
        marks = torch.zeros(len(self.categories))
        marks[[label for label in every if tags is None or label in tags]] = 1
        if self.background is not None:
            marks[self.background] = 0
        return marks.to(self.device)


def normalised(maps: Float[Tensor, "K H W"]) -> Float[Tensor, "K H W"]:
    """Divide each class's map by its highest value; a map of zeros stays."""
    return maps / maps.amax(dim=(1, 2), keepdim=True).clamp(min=SMALL)


def read_model(folder: UPath) -> ClassifierModel:
    """Return the configuration of a saved model, without a source of first backbone weights."""
    model = ClassifierModel.model_validate(read_description(folder, KIND)["config"])
    return model.model_copy(update={"network": as_saved(model.network)})
