"""Networks of transformers whose queries become objects: their output, and what it means.

Legend: B images, K classes, Q queries, S pixels of the canvas's side, h = w = S / 4.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

from ray_wssis.models.solov2 import MASK_STRIDE
from ray_wssis.models.solov2_config import InferenceConfig
from ray_wssis.models.solov2_inference import Detections

SURE = 0.5  # probability of a pixel of the mask


@dataclass(frozen=True, kw_only=True)
class QueryOutput:
    class_scores: Float[Tensor, "B Q K"]  # probabilities
    mask_logits: Float[Tensor, "B Q h w"]


def squared(maps: Tensor, side: int) -> Tensor:
    """Bring maps (..., H, W) to a square: pad at the bottom and the right, or cut padding off."""
    height, width = maps.shape[-2:]
    return pad(maps, (0, side - width, 0, side - height))


def blanked(
    pixels: Float[Tensor, "B 3 S S"], ignored: Bool[Tensor, "B _ _"] | None
) -> Float[Tensor, "B 3 S S"]:
    """Leave nothing of what ignore regions, in quarter-size pixels, show."""
    if ignored is None:
        return pixels
    whole = ignored.repeat_interleave(MASK_STRIDE, 1).repeat_interleave(MASK_STRIDE, 2)
    return pixels * ~squared(whole, pixels.shape[-1])[:, None]


@torch.inference_mode()
def detect_queries(output: QueryOutput, config: InferenceConfig) -> list[Detections]:
    """Find the instances of each image: a query is the object of its best class.

    Its score is the probability of the class, times the mean probability of its mask's pixels.
    """
    return [
        best_queries(scores, masks, config)
        for scores, masks in zip(output.class_scores, output.mask_logits, strict=True)
    ]


def best_queries(
    class_scores: Float[Tensor, "Q K"],
    mask_logits: Float[Tensor, "Q h w"],
    config: InferenceConfig,
) -> Detections:
    masks, labels, scores = ranked_queries(class_scores, mask_logits)
    kept = (scores >= config.min_score).nonzero().flatten()[: config.max_instances]
    return Detections(masks=masks[kept], labels=labels[kept], scores=scores[kept])


def ranked_queries(
    class_scores: Float[Tensor, "Q K"], mask_logits: Float[Tensor, "Q h w"]
) -> tuple[Float[Tensor, "Q h w"], Int[Tensor, " Q"], Float[Tensor, " Q"]]:
    """Return masks, labels and scores of all queries, best first."""
    best, labels = class_scores.float().max(-1)
    masks = mask_logits.float().sigmoid()
    inside = (masks > SURE).float()
    quality = (masks * inside).sum((1, 2)) / inside.sum((1, 2)).clamp(min=1)
    scores, order = (best * quality).sort(descending=True, stable=True)
    return masks[order], labels[order], scores


def check_extra(name: str) -> None:
    """Raise ValueError if the libraries of the extra are missing."""
    if any(find_spec(library) is None for library in ("transformers", "scipy")):
        raise ValueError(f"{name} needs the optional extra: pip install 'ray-wssis[eomt]'")


def pretrained(
    kind: Any, wanted: Any, name: str, weights: str, parts_of_classes: Sequence[str]
) -> Any:
    """Create a network `kind` of transformers with the sizes `wanted` and these weights.

    Only tensors with one of `parts_of_classes` in their name may be missing or of another shape.
    Raises ValueError if there are no such weights, or weights of another network.
    """
    try:
        network, report = kind.from_pretrained(
            weights, config=wanted, ignore_mismatched_sizes=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name}.weights {weights} cannot be loaded: {error}") from error
    unfit = [*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])]
    unfit = [key for key in unfit if not any(part in key for part in parts_of_classes)]
    if unfit:
        raise ValueError(
            f"{name}.weights {weights}: {len(unfit)} tensors are missing or of another shape, "
            f"for instance {unfit[0]}; set the sizes of {name} to those of its config.json"
        )
    return network
