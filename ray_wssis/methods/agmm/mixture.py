"""The Gaussian mixture of AGMM-SASS, and the three terms that come with it.

Every class that is annotated inside a crop has a prototype, the mean feature of its annotated
pixels, and a Gaussian round it: how much each pixel of the crop is like what somebody annotated.
Predictions and mixture then teach each other on all pixels, annotated or not.

Differs from the paper: see `docs/method_agmm.md`.

Legend: B images, K classes, P of them annotated in an image, D feature channels, h w cells.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ray_wssis.methods.agmm.cells import Cells
from ray_wssis.models.solov2_loss import across_workers

EPSILON = 1e-4  # added to 1 - g, whose logarithm has a limit then
Sigma = Literal["fixed", "adaptive"]


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
    means = means / number.clamp(min=1)[:, :, None]  # (B, K, D)
    shown = cells.present.tolist()  # waits for the device, once in a step
    classes = [[k for k, there in enumerate(image) if there] for image in shown]

    inside = cells.inside.flatten(1)  # (B, cells)
    nothing = features.sum() * 0
    self_sum, label_sum, area = nothing, nothing, torch.zeros((), device=features.device)
    for image, present in enumerate(classes):
        if not present:
            continue
        own, near = counts[image, present], inside[image]  # (P, cells), (cells,)
        q, not_q = (x[image, present].flatten(1) for x in (log_p, log_not_p))
        exponent = gaussian_exponents(features[image], means[image, present], q, near, sigma)
        g, log_g, log_not_g = (-exponent).exp(), -exponent, log_one_minus_exp(exponent)
        others = own.sum(dim=0) - own  # annotated pixels of the other classes
        self_sum = self_sum + (cross(g, 1 - g, q, not_q).mean(dim=0) * near).sum()
        label_sum = label_sum + cross(own, others, log_g, log_not_g).mean(dim=0).sum()
        area = area + near.sum()
    return {
        "self": self_sum / across_workers(area).clamp(min=1),
        "label": label_sum / across_workers(number.sum()).clamp(min=1),
        "separation": nothing + separation(means, classes),
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


def log_one_minus_exp(exponent: Tensor) -> Tensor:
    """Return log(1 - exp(-exponent)), with a limit where it is 0."""
    return (EPSILON - torch.expm1(-exponent)).log()


def separation(means: Float[Tensor, "B K D"], classes: list[list[int]]) -> Float[Tensor, ""]:
    """Return the mean likeness of two classes, whose prototypes are means over images; 0 if there
    are none or one."""
    images_of: dict[int, list[int]] = {}
    for image, present in enumerate(classes):
        for k in present:
            images_of.setdefault(k, []).append(image)
    if len(images_of) < 2:
        return torch.zeros((), device=means.device)
    prototypes = torch.stack([means[images, k].mean(dim=0) for k, images in images_of.items()])
    distances = torch.nn.functional.pdist(prototypes, p=1) / prototypes.shape[1]  # (pairs,)
    return (-(distances**2)).exp().mean()
