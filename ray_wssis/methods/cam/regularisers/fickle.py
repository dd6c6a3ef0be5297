"""FickleNet: scores from cells of which many are hidden at random (arXiv:1902.10421).

Every cell's score comes from a window around it.  Its neighbours are hidden by chance, the cell
itself never, so no combination can be relied on, and many random maps together cover an object.

Differs from the paper: maps are the scores themselves, not gradients, and fewer are drawn; a cell
takes the highest of them.

Legend: B images, K classes, D channels, h w cells, n cells of a window, H W pixels.
"""

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn.functional import unfold

from ray_wssis.methods.cam.config import Fickle
from ray_wssis.methods.cam.tag_loss import Classes, tag_loss
from ray_wssis.models.classifier import Classifier, ClassifierOutput
from ray_wssis.semantic.samples import Batch


class FickleNet(nn.Module):
    def __init__(self, config: Fickle, classes: Classes, channels: int, num_classes: int) -> None:
        super().__init__()
        self.config = config
        self.classes = classes
        first = torch.randn(num_classes, channels, config.window**2) * 0.1 / config.window
        self.around = nn.Parameter(first)  # weights of the cells of a window, its middle unused

    def losses(self, classifier: Classifier, batch: Batch, num_steps: int) -> dict[str, Tensor]:
        output = classifier(batch.images, batch.sizes)
        chance = torch.rand(self.cells_of(output), device=output.maps.device)
        maps = self.scores(output, chance >= self.config.hide)
        return {"tags": tag_loss(maps, batch, self.classes)}

    def maps(
        self, classifier: Classifier, images: UInt8[Tensor, "B 3 H W"], sizes: Int[Tensor, "B 2"]
    ) -> Float[Tensor, "B K h w"]:
        """Return the highest of several random maps; the same images have the same."""
        output = classifier(images, sizes)
        dice = torch.Generator().manual_seed(0)
        highest: Tensor = output.maps
        for number in range(self.config.passes):
            chance = torch.rand(self.cells_of(output), generator=dice).to(output.maps.device)
            maps = self.scores(output, chance >= self.config.hide)
            highest = maps if number == 0 else highest.maximum(maps)
        return highest

    def cells_of(self, output: ClassifierOutput) -> tuple[int, int, int]:
        """Return the shape of what can be hidden: images, cells of a window, windows."""
        height, width = output.maps.shape[-2:]
        return len(output.maps), self.config.window**2, height * width

    def scores(self, output: ClassifierOutput, visible: Tensor) -> Float[Tensor, "B K h w"]:
        """Return the scores of windows of which some cells, (B, n, h w), are visible."""
        features, side = output.features, self.config.window
        visible = visible.clone()
        visible[:, side * side // 2] = False  # the cell itself: the head of the classifier
        windows = unfold(features, side, padding=side // 2)  # (B, D n, h w)
        windows = windows.unflatten(1, (features.shape[1], side * side)) * visible[:, None]
        near = torch.einsum("bdnc,kdn->bkc", windows, self.around.to(windows.dtype))
        maps: Tensor = output.maps + near.unflatten(2, features.shape[-2:])
        return maps
