"""AGMM-SASS: points or scribbles on every image, no full class map (Wu et al., CVPR 2023).

A network learns from what is annotated (partial cross entropy), from what the image cannot show
(a penalty on classes that are no tag of it), and from a Gaussian mixture over its own features,
which tells unannotated pixels by their likeness to annotated ones (`mixture.py`).  Soft
self-labelling (`soft_labels.py`) is another way to use the pixels that nobody annotated; each
term has a weight, so either works alone, or both together.

Differs from the paper: see `docs/method_agmm.md`.

Legend: B images, K classes, h w cells of the logits.
"""

from collections.abc import Iterable, Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ray_wssis.methods.agmm.cells import Cells, count_cells
from ray_wssis.methods.agmm.config import SparseStage
from ray_wssis.methods.agmm.mixture import mixture_losses
from ray_wssis.methods.agmm.soft_labels import soft_label_loss
from ray_wssis.models.semantic_network import create_network
from ray_wssis.models.solov2_loss import across_workers
from ray_wssis.semantic.learner import parameter_groups
from ray_wssis.semantic.loss import pixel_cross_entropy
from ray_wssis.semantic.samples import Batch

SPARSE = "sparse"  # stream


class SparseLearner(nn.Module):
    """Maps a batch of sparsely annotated images to the losses that have a weight."""

    def __init__(self, stage: SparseStage, num_classes: int) -> None:
        super().__init__()
        self.network = create_network(stage.model.network, num_classes)
        self.stage = stage

    def forward(self, batches: Mapping[str, Batch]) -> dict[str, Tensor]:
        batch = batches[SPARSE]
        output = self.network(batch.images, batch.sizes)
        with torch.autocast(batch.images.device.type, enabled=False):  # prototypes are sums
            losses = self.losses(output.features.float(), output.logits[0].float(), batch)
        weights = self.stage.terms.model_dump()
        return {name: weights[name] * loss for name, loss in losses.items() if weights[name]}

    def losses(
        self, features: Float[Tensor, "B D h w"], logits: Float[Tensor, "B K h w"], batch: Batch
    ) -> dict[str, Float[Tensor, ""]]:
        """Return the losses, some of them perhaps without a weight."""
        terms = self.stage.terms
        losses = {"partial": pixel_cross_entropy(logits, batch.class_maps)}
        cells = count_cells(batch.class_maps, batch.inside, logits)
        log_p, log_not_p = log_probabilities(logits)
        if terms.absent:
            losses["absent"] = absent_loss(log_not_p, batch.tags, cells)
        if terms.self or terms.label or terms.separation:
            losses |= mixture_losses(features, log_p, log_not_p, cells, self.stage.sigma)
        if terms.soft:
            losses["soft"] = soft_label_loss(
                log_p, batch.images, batch.tags, cells, self.stage.soft_labels
            )
        return losses

    def parameter_groups(self) -> dict[str, Iterable[nn.Parameter]]:
        return parameter_groups([self.network])


def absent_loss(
    log_not_p: Float[Tensor, "B K h w"], tags: Bool[Tensor, "B K"], cells: Cells
) -> Float[Tensor, ""]:
    """Return -log(1 - p), summed over the classes that are no tag, its mean over all pixels."""
    losses = -(log_not_p * ~tags[:, :, None, None]).sum(dim=1)  # (B, h, w)
    return (losses * cells.inside).sum() / across_workers(cells.inside.sum()).clamp(min=1)


def log_probabilities(
    logits: Float[Tensor, "B K h w"],
) -> tuple[Float[Tensor, "B K h w"], Float[Tensor, "B K h w"]]:
    """Return log p and log(1 - p) of every class; both are finite for any logits.

    Where p is near 1, one minus it is what is left for the other classes.
    """
    log_p = logits.log_softmax(dim=1)
    best = log_p.argmax(dim=1, keepdim=True)  # (B, 1, h, w)
    is_best = torch.zeros_like(log_p, dtype=torch.bool).scatter_(1, best, True)
    rest = log_p.masked_fill(is_best, -torch.inf).logsumexp(dim=1, keepdim=True)
    others = torch.log1p(-log_p.masked_fill(is_best, -torch.inf).exp())
    return log_p, torch.where(is_best, rest, others)
