"""The two losses of SOLOv2 (arXiv:2003.10152, "Training"): focal for the class, dice for the mask.

Differs from the paper: both are normalised by the number of positive cells of all workers
together, so that one worker with 16 images and four with 4 compute the same gradient.  Ignore
regions are neither objects to learn nor background: a cell that touches one and is not positive
has no class loss, and their pixels are no part of the dice of an instance that does not own them.

Legend: B images, C classes, P positive cells, L levels, S cells per grid side, E kernel channels,
h w mask pixels.
"""

from collections.abc import Iterable

import torch
import torch.distributed
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import adaptive_max_pool2d

from ray_wssis.models.solov2 import SOLOv2Output
from ray_wssis.models.solov2_targets import Instances, Targets
from ray_wssis.models.vision import sigmoid_focal_loss

MASK_WEIGHT = 3.0
DICE_EPSILON = 0.001


def solov2_losses(
    output: SOLOv2Output,
    instances: Instances,
    targets: Targets,
    ignored: Bool[Tensor, "B h w"] | None = None,
) -> dict[str, Float[Tensor, ""]]:
    """Return named losses, to be summed.  A batch without instances gives a mask loss of zero.

    `ignored` are the pixels of the ignore regions, None if no image has any.  It may be None on
    one worker and not on another: both wait for each other equally often.
    """
    class_logits = torch.cat([x.flatten(2) for x in output.class_logits], dim=2)  # (B, C, cells)
    kernels = torch.cat([x.flatten(2) for x in output.kernels], dim=2)  # (B, E, cells)
    num_positive = across_workers(torch.tensor(float(len(targets.cell)), device=kernels.device))

    truth = torch.zeros_like(class_logits, dtype=torch.float32)
    truth[targets.image, instances.labels[targets.instance], targets.cell] = 1
    focal = sigmoid_focal_loss(class_logits.float(), truth, alpha=0.25, gamma=2)  # (B, C, cells)
    if ignored is not None:
        sides = [level.shape[-1] for level in output.class_logits]
        focal = focal.masked_fill(ignored_cells(ignored, targets, sides)[:, None], 0)

    dices = [kernels.sum() * 0 + output.mask_features.sum() * 0]  # every parameter has a gradient
    for index in range(len(kernels)):
        here = targets.image == index
        if here.any():
            features = output.mask_features[index].flatten(1)  # (E, h w)
            logits = kernels[index][:, targets.cell[here]].T @ features  # (p, h w)
            masks = instances.masks[targets.instance[here]].flatten(1)
            probabilities = logits.float().sigmoid()
            if ignored is not None:
                not_owned = ignored[index].flatten() & (masks == 0)  # (p, h w)
                probabilities = probabilities.masked_fill(not_owned, 0)
            dices.append(dice_loss(probabilities, masks.float()).sum())
    return {
        "class": focal.sum() / (num_positive + 1),
        "mask": MASK_WEIGHT * torch.stack(dices).sum() / num_positive.clamp(min=1),
    }


def ignored_cells(
    ignored: Bool[Tensor, "B h w"], targets: Targets, sides: Iterable[int]
) -> Bool[Tensor, "B cells"]:
    """Mark the cells that touch an ignore region, be it with one pixel, and are not positive."""
    regions = ignored[:, None].float()  # (B, 1, h, w)
    levels = [adaptive_max_pool2d(regions, side).flatten(1) for side in sides]  # L x (B, S S)
    touching = torch.cat(levels, dim=1) > 0
    touching[targets.image, targets.cell] = False
    return touching


def dice_loss(
    probabilities: Float[Tensor, "P pixels"], truth: Float[Tensor, "P pixels"]
) -> Float[Tensor, " P"]:
    """Return 1 - dice with squared sums, for each row."""
    overlap = (probabilities * truth).sum(dim=1)
    sizes = (probabilities * probabilities).sum(dim=1) + (truth * truth).sum(dim=1)
    return 1 - 2 * overlap / (sizes + 2 * DICE_EPSILON)


def across_workers(count: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """Return the mean count of a worker: averaged gradients become those of the whole batch."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(count)
        count /= torch.distributed.get_world_size()
    return count
