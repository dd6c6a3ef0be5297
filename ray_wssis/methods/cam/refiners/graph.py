"""WSGCN: a small graph network for each image labels what is not sure (arXiv:2103.16762).

The cells of an image are nodes; edges lead to cells nearby, weighted by how alike the colours
are.  A network of two graph convolutions learns from the surest scores of this image alone, and to
be sure elsewhere and smooth, and then labels every node.

Differs from the paper: edges come from colours, not from IRNet's walk; features are the scores,
colours and places, not those of a network; being sure elsewhere weighs a tenth of what it does
there, where it drove small objects out.

Legend: K classes, L = K + 1 with background, P neighbours, D features, H W pixels, h w nodes.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, cross_entropy, interpolate

from ray_wssis.methods.cam.config import Graph, Policy
from ray_wssis.methods.cam.refiners.pamr import likeness, neighbours

REACHES = (1, 2)  # nodes


def refine(
    maps: Float[Tensor, "K H W"], image: Float[Tensor, "3 H W"], config: Graph, policy: Policy
) -> Float[Tensor, "K H W"]:
    """Refine maps of scores, 0..1: the probability of each class.  The same image gives the same.

    Where nothing is sure, the maps stay as they are.
    """
    height, width = maps.shape[-2:]
    nodes = (-(-height // config.cell), -(-width // config.cell))
    scores, colours = adaptive_avg_pool2d(maps, nodes), adaptive_avg_pool2d(image, nodes)
    labels, is_sure = sure_nodes(scores, config.surest, policy)
    if len(labels[is_sure].unique()) < 2:
        return maps
    with torch.inference_mode(mode=False), torch.enable_grad():
        found = learn(scores.clone(), colours.clone(), labels.clone(), is_sure.clone(), config)
    return interpolate(found[None], size=(height, width), mode="bilinear")[0]


def learn(
    scores: Float[Tensor, "K h w"],
    colours: Float[Tensor, "3 h w"],
    labels: Int[Tensor, "h w"],
    is_sure: Bool[Tensor, "h w"],
    config: Graph,
) -> Float[Tensor, "K h w"]:
    """Train a network on the sure nodes, and return the probability of each class."""
    edges = likeness(colours, REACHES)  # (P, h, w)
    first = spread(features_of(scores, colours), edges)  # (D, h, w): it never changes
    dice = torch.Generator().manual_seed(0)
    sizes = ((first.shape[0], config.hidden), (config.hidden, len(scores) + 1))
    drawn = [torch.randn(size, generator=dice) / size[0] ** 0.5 for size in sizes]
    weights = [weight.to(scores.device, copy=True).requires_grad_() for weight in drawn]
    optimizer = torch.optim.Adam(weights, lr=config.rate, weight_decay=5e-4)
    for _ in range(config.steps):
        kept = torch.rand(config.hidden, *labels.shape, generator=dice) >= config.drop
        scale = kept.to(scores.device) / (1 - config.drop)
        loss = loss_of(convolve(first, edges, weights, scale), labels, is_sure, config)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return convolve(first, edges, weights).softmax(dim=0)[1:]


def sure_nodes(
    maps: Float[Tensor, "K h w"], surest: float, policy: Policy
) -> tuple[Tensor, Bool[Tensor, "H W"]]:
    """Return labels, 0 for background and 1 + k for a class, and which of them are sure: of each
    class the highest scores, at most a share of them."""
    best, label = maps.max(dim=0)
    is_sure = best <= policy.sure_background
    for k in range(len(maps)):
        own = best[(label == k) & (best >= policy.sure_class)]
        if own.numel():
            level = own.sort(descending=True).values[max(0, int(surest * own.numel()) - 1)]
            is_sure = is_sure | ((label == k) & (best >= level))
    return torch.where(best <= policy.sure_background, 0, label + 1), is_sure


def features_of(
    maps: Float[Tensor, "K h w"], image: Float[Tensor, "3 h w"]
) -> Float[Tensor, "D h w"]:
    """Stack scores, colours and places, each -1..1 or 0..1, and a constant."""
    height, width = maps.shape[-2:]
    down = torch.linspace(-1, 1, height, device=maps.device)[:, None].expand(height, width)
    right = torch.linspace(-1, 1, width, device=maps.device)[None].expand(height, width)
    places = torch.stack([down, right, torch.ones_like(down)])
    return torch.cat([maps, image / 127.5 - 1, places])


def spread(maps: Tensor, edges: Float[Tensor, "P h w"]) -> Tensor:
    """Average each node with its neighbours, as much as with itself: maps (D, H, W)."""
    shifted = torch.stack(neighbours(maps, REACHES))  # (P, D, H, W)
    return (maps + (edges[:, None] * shifted).sum(dim=0)) / 2


def convolve(
    first: Float[Tensor, "D h w"],
    edges: Float[Tensor, "P h w"],
    weights: list[Tensor],
    scale: Tensor | float = 1.0,
) -> Float[Tensor, "L h w"]:
    """Return the logits of background and classes; `scale` multiplies the hidden values."""
    hidden = torch.einsum("dhw,de->ehw", first, weights[0]).relu() * scale
    return torch.einsum("ehw,el->lhw", spread(hidden, edges), weights[1])


def loss_of(
    logits: Float[Tensor, "L h w"], labels: Tensor, is_sure: Tensor, config: Graph
) -> Float[Tensor, ""]:
    """Return the loss of sure classes and of sure background, and the entropy elsewhere."""
    losses = cross_entropy(logits[None], labels[None], reduction="none")[0]  # (H, W)
    kinds = [is_sure & (labels > 0), is_sure & (labels == 0)]
    known = sum(losses[kind].mean() for kind in kinds if kind.any())
    log_p = logits.log_softmax(dim=0)
    entropy = -(log_p.exp() * log_p).sum(dim=0)[~is_sure]
    return known + config.entropy * entropy.sum() / labels.numel()
