"""Activation maps of a trained classifier, refined, for labels or what another method makes of
them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8
from upath import UPath

from ray_wssis.artifacts import Part
from ray_wssis.methods.cam.config import KIND, ClassifierModel, Policy, Refinement
from ray_wssis.models.model_folder import read_description
from ray_wssis.semantic.segmenter_config import Views

if TYPE_CHECKING:
    from torch import Tensor

Images = Sequence[UInt8[np.ndarray, "_ _ 3"]]
Tags = Sequence[Sequence[int] | None]


@dataclass(frozen=True, kw_only=True)
class RefinedMaps:
    model: str  # a model folder
    views: Views
    refinement: Refinement | None
    policy: Policy  # tells what is sure
    made_from: str
    network_size: tuple[int, int]
    affinity: str | None = None  # a model folder, for a walk

    @classmethod
    def of(
        cls,
        model: Part,
        views: Views,
        refinement: Refinement | None,
        policy: Policy,
        affinity: Part | None = None,
    ) -> "RefinedMaps":
        """Compose it of model folders; a walk needs one with affinities.

        Raises ValueError if one is none.
        """
        found = ClassifierModel.model_validate(read_description(model.path, KIND)["config"])
        how = "as they are" if refinement is None else refinement.model_dump_json()
        how += "" if affinity is None else f" {affinity.digest}"
        return cls(
            model=str(model.path),
            views=views,
            refinement=refinement,
            policy=policy,
            made_from=f"{model.digest} {views.model_dump_json()} {how} {policy.model_dump_json()}",
            network_size=found.sides,
            affinity=None if affinity is None else str(affinity.path),
        )

    def open(self) -> "Callable[[Images, Tags], list[Tensor]]":
        """Load the classifier; return a function from images of any size and their tags to scores.

        Those are 0..1, (K, H, W) at the size that the classifier sees; of classes that are no tag,
        and of background, 0.
        """
        import torch

        from ray_wssis.methods.cam.maps import ActivationMaps
        from ray_wssis.methods.cam.refiners.refine import refiner_of
        from ray_wssis.models.device import best_device
        from ray_wssis.semantic.segmenter import network_image

        maps_of = ActivationMaps.load(UPath(self.model), best_device())
        refined = refiner_of(self.refinement, self.policy, self.affinity)

        @torch.inference_mode()
        def draw(images: Images, tags: Tags) -> "list[Tensor]":
            shown = [network_image(image, maps_of.model) for image in images]
            drawn = maps_of.draw(shown, tags, self.views)
            for image, maps in zip(shown, drawn, strict=True):
                present = maps.flatten(1).amax(dim=1) > 0
                if refined is not None and present.any():
                    maps[present] = refined(maps[present], image)
            return drawn

        return draw
