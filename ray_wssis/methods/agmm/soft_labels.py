"""Soft self-labelling: targets between the network's opinion and the edges of the image.

"Soft Self-labeling and Potts Relaxations for Weakly-Supervised Segmentation" (arXiv:2507.01721).
Every step finds soft labels that agree with the network and change little between neighbours that
look alike; annotated pixels keep their labels.  The network then learns from them by collision
cross entropy, -log of the chance that two draws, one from each distribution, are equal: where a
label is unsure, nothing is learnt.

Differs from the paper: see `docs/method_agmm.md`.

Legend: B images, K classes, h w cells, H W pixels.
"""

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from ray_wssis.methods.agmm.cells import Cells
from ray_wssis.methods.agmm.config import SoftLabels
from ray_wssis.models.solov2_loss import across_workers

SMALL = 1e-6
Pair = tuple[Tensor, Tensor]


def soft_label_loss(
    log_p: Float[Tensor, "B K h w"],
    images: UInt8[Tensor, "B 3 H W"],
    tags: Bool[Tensor, "B K"],
    cells: Cells,
    config: SoftLabels,
) -> Float[Tensor, ""]:
    """Return the mean collision cross entropy over what nobody annotated, inside the images."""
    targets = soft_labels(log_p.detach(), images, tags, cells, config)
    unknown = cells.inside * (cells.annotated.sum(dim=1) == 0)  # (B, h, w)
    losses = collision(log_p, (targets + SMALL).log()) * unknown
    return losses.sum() / across_workers(unknown.sum()).clamp(min=1)


def soft_labels(
    log_p: Float[Tensor, "B K h w"],
    images: UInt8[Tensor, "B 3 H W"],
    tags: Bool[Tensor, "B K"],
    cells: Cells,
    config: SoftLabels,
) -> Float[Tensor, "B K h w"]:
    """Descend from the network's own probabilities, among the tags, to soft labels."""
    weights = edge_weights(images, cells.inside)
    number = cells.annotated.sum(dim=1, keepdim=True)
    given, is_given = cells.annotated / number.clamp(min=1), number > 0
    allowed = tags[:, :, None, None]
    scores = log_p.masked_fill(~allowed, -1e4)
    for _ in range(config.iterations):
        with torch.enable_grad():
            scores = scores.detach().requires_grad_()
            labels = torch.where(is_given, given, scores.softmax(dim=1))
            energy = collision(log_p, (labels + SMALL).log()).mul(cells.inside).sum()
            energy = energy + config.smoothness * smoothness(labels, weights)
            (slope,) = torch.autograd.grad(energy, scores)
        scores = scores.detach() - config.rate * slope
    return torch.where(is_given, given, scores.softmax(dim=1))


def collision(log_p: Tensor, log_q: Tensor) -> Float[Tensor, "B h w"]:
    """Return the collision cross entropy of two distributions over the classes."""
    return -(log_p + log_q).logsumexp(dim=1)


def smoothness(labels: Float[Tensor, "B K h w"], weights: Pair) -> Float[Tensor, ""]:
    """Sum the collision divergence, -log cos, of neighbours below and to the right."""
    unit = labels / labels.square().sum(dim=1, keepdim=True).clamp(min=SMALL).sqrt()
    total = labels.new_zeros(())
    for (one, other), weight in zip(neighbours(unit), weights, strict=True):
        total = total - (weight * ((one * other).sum(dim=1) + SMALL).log()).sum()
    return total


def edge_weights(images: UInt8[Tensor, "B 3 H W"], inside: Float[Tensor, "B h w"]) -> Pair:
    """Return how alike two neighbours look, 0..1, (B, h - 1, w) and (B, h, w - 1).

    Colour differences count against the mean difference of the image; beyond it all is 0.
    """
    height, width = inside.shape[-2:]
    colours = adaptive_avg_pool2d(images.float(), (height, width))  # (B, 3, h, w)
    within = (inside > 0)[:, None]
    differences = [(one - other).square().sum(dim=1) for one, other in neighbours(colours)]
    counts = [(one & other)[:, 0] for one, other in neighbours(within)]
    sums = [(d * c).sum(dim=(1, 2)) for d, c in zip(differences, counts, strict=True)]
    number = torch.stack([c.sum(dim=(1, 2)) for c in counts]).sum(dim=0)
    mean = torch.stack(sums).sum(dim=0) / number.clamp(min=1)
    mean = mean.clamp(min=SMALL)[:, None, None]
    below, right = ((-d / (2 * mean)).exp() * c for d, c in zip(differences, counts, strict=True))
    return below, right


def neighbours(maps: Tensor) -> tuple[Pair, Pair]:
    return (maps[..., :-1, :], maps[..., 1:, :]), (maps[..., :-1], maps[..., 1:])
