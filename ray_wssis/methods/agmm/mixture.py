"""The Gaussian mixture of AGMM-SASS, and the three terms that come with it.

Every class that is annotated inside a crop has a prototype, the mean feature of its annotated
pixels, and a Gaussian round it: how much each pixel of the crop is like what somebody annotated.
Predictions and mixture then teach each other on all pixels, annotated or not.

Differs from the paper: see `docs/method_agmm.md`.

Legend: B images, K classes, P of them annotated in an image, D feature channels, h w cells.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ray_wssis.methods.agmm.cells import Cells
from ray_wssis.methods.agmm.config import Sigma
from ray_wssis.models.solov2_loss import across_workers

EPSILON = 1e-4  # added to 1 - g, whose logarithm has a limit then


def mixture_losses(
    features: Float[Tensor, "B D h w"],
    log_p: Float[Tensor, "B K h w"],
    log_not_p: Float[Tensor, "B K h w"],
    cells: Cells,
    sigma: Sigma,
) -> dict[str, Float[Tensor, ""]]:
    """Return the terms `self`, `label` and `separation`.

    `log_p` and `log_not_p` are the logarithms of each probability and of one minus it.  A class
    without an annotated pixel inside a crop has no part there; nor has an image without any.
    """
    counts = cells.annotated.flatten(2)  # (B, K, cells)
    number = counts.sum(dim=2)  # (B, K)
    means = torch.einsum("bkn,bdn->bkd", counts, features.flatten(2))
    means = means / number.clamp(min=1)[:, :, None]  # (B, K, D), 0 where nothing is annotated
    inside, shown = cells.inside.flatten(1), cells.present  # (B, cells), (B, K)
    area = (inside.sum(dim=1) * shown.any(dim=1)).sum()
    self_sum = label_sum = features.sum() * 0
    for image, marks in enumerate(shown.tolist()):  # waits for the device
        present = [k for k, is_present in enumerate(marks) if is_present]
        if not present:
            continue
        own, near = counts[image, present], inside[image]  # (P, cells), (cells,)
        q, not_q = (x[image, present].flatten(1) for x in (log_p, log_not_p))
        exponent = gaussian_exponents(features[image], means[image, present], q, near, sigma)
        g, log_g = (-exponent).exp(), -exponent
        log_not_g = (EPSILON - torch.expm1(-exponent)).log()
        others = own.sum(dim=0) - own  # annotated pixels of the other classes
        self_sum = self_sum + (cross(g, 1 - g, q, not_q).mean(dim=0) * near).sum()
        label_sum = label_sum + cross(own, others, log_g, log_not_g).mean(dim=0).sum()
    return {
        "self": self_sum / across_workers(area).clamp(min=1),
        "label": label_sum / across_workers(number.sum()).clamp(min=1),
        "separation": separation(means, shown.sum(dim=0)),
    }


def cross(yes: Tensor, no: Tensor, log_q: Tensor, log_not_q: Tensor) -> Tensor:
    """Return half the binary cross entropy of q under the shares `yes` and `no`."""
    return -(yes * log_q + no * log_not_q) / 2


def gaussian_exponents(
    features: Float[Tensor, "D h w"],
    prototypes: Float[Tensor, "P D"],
    log_p: Float[Tensor, "P cells"],
    inside: Float[Tensor, " cells"],
    sigma: Sigma,
) -> Float[Tensor, "P cells"]:
    """Return d^2 / 2 sigma^2, where d is the mean of |f - prototype| over the channels.

    An adaptive sigma is the spread of the pixels that the network gives to the class.
    """
    distance = torch.cdist(prototypes, features.flatten(1).T, p=1) / len(features)  # (P, cells)
    squared = distance**2
    if sigma == "fixed":
        return squared
    share = log_p.detach().exp() * inside  # (P, cells)
    spread = (share * squared).sum(dim=1) / share.sum(dim=1).clamp(min=1e-6)  # (P,)
    return squared / (2 * spread.clamp(min=1e-6))[:, None]


def separation(means: Float[Tensor, "B K D"], images: Int[Tensor, " K"]) -> Float[Tensor, ""]:
    """Return the mean likeness of two classes, whose prototypes are means over the `images` that
    show them; 0 if there is no pair."""
    prototypes = (means.sum(dim=0) / images.clamp(min=1)[:, None])[images > 0]  # (P, D)
    if len(prototypes) < 2:
        return means.sum() * 0
    distances = torch.nn.functional.pdist(prototypes, p=1) / prototypes.shape[1]  # (pairs,)
    return (-(distances**2)).exp().mean()
