"""Puzzle-CAM: maps of four tiles, put together, are those of the whole (arXiv:2101.11253).

A tile alone shows less of what the classifier likes best, so the whole image is made to use the
rest of an object too.

Legend: B images, K classes, C of them no background, h w cells of the maps, H W pixels.
"""

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from ray_wssis.methods.cam.config import Puzzle
from ray_wssis.methods.cam.tag_loss import Classes, num_tagged, tag_loss
from ray_wssis.models.classifier import Classifier
from ray_wssis.semantic.samples import Batch


class PuzzleCAM(nn.Module):
    def __init__(self, config: Puzzle, classes: Classes) -> None:
        super().__init__()
        self.config = config
        self.classes = classes

    def losses(self, classifier: Classifier, batch: Batch, num_steps: int) -> dict[str, Tensor]:
        whole = classifier(batch.images, batch.sizes).maps  # (B, K, h, w)
        tiles = classifier(cut(batch.images), batch.sizes.repeat(4, 1) // 2).maps
        merged = put_together(tiles)  # (B, K, h, w)
        weight = self.config.weight * min(1, num_steps / max(1, self.config.ramp_steps))
        return {
            "tags": tag_loss(whole, batch, self.classes),
            "tiles": tag_loss(merged, batch, self.classes),
            "puzzle": weight * difference(whole, merged, batch, self.classes),
        }

    def maps(
        self, classifier: Classifier, images: UInt8[Tensor, "B 3 H W"], sizes: Int[Tensor, "B 2"]
    ) -> Float[Tensor, "B K h w"]:
        maps: Tensor = classifier(images, sizes).maps
        return maps


def cut(images: Tensor) -> Tensor:
    """Cut images (B, C, H, W) into quarters (4 B, C, H / 2, W / 2): all upper left ones first."""
    rows = images.chunk(2, dim=2)
    return torch.cat([tile for row in rows for tile in row.chunk(2, dim=3)])


def put_together(tiles: Tensor) -> Tensor:
    """Undo `cut`."""
    upper_left, upper_right, lower_left, lower_right = tiles.chunk(4)
    upper = torch.cat([upper_left, upper_right], dim=3)
    return torch.cat([upper, torch.cat([lower_left, lower_right], dim=3)], dim=2)


def difference(
    whole: Float[Tensor, "B K h w"],
    merged: Float[Tensor, "B K h w"],
    batch: Batch,
    classes: Classes,
) -> Float[Tensor, ""]:
    """Return the mean absolute difference of the maps; those that are no tag differ by nothing."""
    marks = (batch.tags & batch.is_tagged[:, None])[:, classes, None, None]
    apart = (whole.float() - merged.float()).abs()[:, classes] * marks  # (B, C, h, w)
    return apart.mean(dim=(1, 2, 3)).sum() / num_tagged(batch)
