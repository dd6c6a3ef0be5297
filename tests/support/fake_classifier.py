"""Classifiers whose maps are known: each cell is a pixel or a block of them."""

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from ray_wssis.models.classifier import ClassifierOutput


class PixelClassifier(nn.Module):
    """The maps are the colours of the pixels, or of blocks of them."""

    def __init__(self, block: int = 1) -> None:
        super().__init__()
        self.block = block
        self.head = nn.Conv2d(3, 3, 1, bias=False)  # for the number of channels

    def forward(self, images: Tensor, sizes: Tensor) -> ClassifierOutput:
        colours = avg_pool2d(images.float(), self.block) / 255
        return ClassifierOutput(maps=colours, features=colours)
