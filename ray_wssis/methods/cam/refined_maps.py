"""Activation maps of a trained classifier, refined, for what another method makes of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8
from upath import UPath

from ray_wssis.artifacts import Part
from ray_wssis.methods.cam.config import PAMR
from ray_wssis.semantic.segmenter_config import Views

if TYPE_CHECKING:
    from torch import Tensor

Images = Sequence[UInt8[np.ndarray, "_ _ 3"]]
Tags = Sequence[Sequence[int] | None]


@dataclass(frozen=True, kw_only=True)
class RefinedMaps:
    model: str  # a model folder
    views: Views
    refiner: PAMR | None
    made_from: str

    @classmethod
    def of(cls, model: Part, views: Views, refiner: PAMR | None) -> "RefinedMaps":
        how = "as they are" if refiner is None else refiner.model_dump_json()
        made_from = f"{model.digest} {views.model_dump_json()} {how}"
        return cls(model=str(model.path), views=views, refiner=refiner, made_from=made_from)

    def open(self) -> "Callable[[Images, Tags], list[Tensor]]":
        """Load the classifier; return a function from images of any size and their tags to scores.

        Those are 0..1, (K, H, W) at the size that the classifier sees.
        """
        import torch

        from ray_wssis.methods.cam.maps import ActivationMaps
        from ray_wssis.methods.cam.pamr import refine
        from ray_wssis.models.device import best_device
        from ray_wssis.semantic.segmenter import network_image

        maps_of = ActivationMaps.load(UPath(self.model), best_device())
        refiner = self.refiner

        @torch.inference_mode()
        def draw(images: Images, tags: Tags) -> "list[Tensor]":
            shown = [network_image(image, maps_of.model) for image in images]
            drawn = maps_of.draw(shown, tags, self.views)
            if refiner is None:
                return drawn
            colours = [torch.tensor(image).permute(2, 0, 1).float() for image in shown]
            return [
                refine(maps, image.to(maps.device), refiner.iterations, refiner.dilations)
                for maps, image in zip(drawn, colours, strict=True)
            ]

        return draw
