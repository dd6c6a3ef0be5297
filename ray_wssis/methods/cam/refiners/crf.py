"""A conditional random field: like neighbours get like labels ("Convolutional CRFs",
arXiv:1805.04777, section 4; "Efficient inference in fully connected CRFs", arXiv:1210.5644).

Scores of the classes, and the threshold as that of the background, say what a pixel is on its own.
Mean-field iterations let each pixel hear those around it, near ones and, more, near ones of like
colour.

Differs from the papers: a pixel hears the others in a window alone, as in the first, where the
second connects all; kernels are divided by their sum over the window, so weights do not depend on
its size.

Legend: K classes, L = K + 1 with background, P neighbours, H W pixels.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from ray_wssis.methods.cam.config import CRF

SMALL = 1e-6


def refine(
    maps: Float[Tensor, "K H W"], image: Float[Tensor, "3 H W"], config: CRF, threshold: float
) -> Float[Tensor, "K H W"]:
    """Refine maps of scores, 0..1: the probability of each class; colours are 0..255."""
    scores = torch.cat([torch.full_like(maps[:1], threshold), maps])  # (L, H, W)
    alone = (scores / scores.sum(dim=0)).clamp(min=SMALL).log()
    kernel = kernel_of(image, config)
    found = alone.softmax(dim=0)
    for _ in range(config.iterations):
        heard = torch.zeros_like(found)
        for weight, shifted in zip(kernel, neighbours(found, config.reach), strict=True):
            heard.addcmul_(weight, shifted)
        found = (alone + heard).softmax(dim=0)
    return found[1:]


def kernel_of(image: Float[Tensor, "3 H W"], config: CRF) -> Float[Tensor, "P H W"]:
    """Compute how much each pixel hears each of its neighbours; those beyond the image, nothing."""
    inside = torch.stack(list(neighbours(torch.ones_like(image[:1]), config.reach)))[:, 0]
    colours = torch.stack(
        [((shifted - image) ** 2).sum(dim=0) for shifted in neighbours(image, config.reach)]
    )  # (P, H, W): squared differences
    places = torch.tensor(
        [down**2 + right**2 for down, right in offsets(config.reach)], device=image.device
    )[:, None, None]
    near = inside * torch.exp(-places / (2 * config.near_pixels**2))
    alike = inside * torch.exp(
        -places / (2 * config.alike_pixels**2) - colours / (2 * config.alike_levels**2)
    )
    total = torch.zeros_like(inside)
    for weight, own in ((config.near, near), (config.alike, alike)):
        total += weight * own / own.sum(dim=0).clamp(min=SMALL)
    return total


def offsets(reach: int) -> list[tuple[int, int]]:
    """List how far down and to the right the neighbours of a pixel lie."""
    steps = range(-reach, reach + 1)
    return [(down, right) for down in steps for right in steps if (down, right) != (0, 0)]


def neighbours(maps: Float[Tensor, "C H W"], reach: int) -> Iterator[Float[Tensor, "C H W"]]:
    """Yield the maps as each neighbour has them, in the order of `offsets`; 0 beyond them."""
    height, width = maps.shape[-2:]
    padded = pad(maps, [reach] * 4)
    for down, right in offsets(reach):
        top, left = reach + down, reach + right
        yield padded[:, top : top + height, left : left + width]
