"""A trained semantic segmenter as one file that runs without this package.

The graph goes from the pixels of one image to logits at a quarter of the canvas: enlarged to the
image, the largest of a pixel is its class.  DeepLab takes a canvas of any size.  A vision
transformer has its canvas fixed, because the exporters turn its numbers of patches into constants.

Legend: K classes, H W canvas pixels, h w = H / 4, W / 4.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from upath import UPath

from ray_wssis.data.images.read import shortest_edge_size
from ray_wssis.models.canvas import pad_images
from ray_wssis.models.deeplab import DeepLab
from ray_wssis.models.evaluating import evaluating
from ray_wssis.models.export_file import Format, checked_shape, checked_target, write
from ray_wssis.models.model_folder import find_model
from ray_wssis.models.solov2_config import PADDING_MULTIPLE
from ray_wssis.semantic.segmenter import SemanticSegmenter
from ray_wssis.storage import Place, locate

INPUTS = ("image", "size")
OUTPUTS = ("logits",)
STRIDE = 4  # canvas pixels per pixel of the logits
MOST_PIXELS = 16384  # of a side of a free canvas


class Classifier(nn.Module):
    """Maps the pixels of one image to the logits of its classes."""

    def __init__(self, segmenter: SemanticSegmenter) -> None:
        super().__init__()
        self.network = segmenter.network

    def forward(self, image: Tensor, size: Tensor) -> Tensor:
        """Return logits (K, h, w) float.

        `image` (1, 3, H, W) uint8 RGB, H and W multiples of 32; `size` (2,) int64: height and
        width of the image, which starts top left.
        """
        logits: Tensor = self.network(image, size[None]).logits[0][0]
        return logits


def export(
    model: Place,
    file: Place,
    format: Format,
    *,
    height: int | None = None,
    width: int | None = None,
) -> UPath:
    """Write the segmenter in `model` to `file`, and a `.json` beside it that says how to use it.

    `model` is a model folder, or a run, whose student is exported.  `height` and `width` are those
    of the images to come, in their own pixels, and fix the shape of the canvas; without them it is
    free, or square for a vision transformer.  Returns the file.

    Raises ValueError if there is no semantic segmenter, if the file has another suffix, or if the
    optional extra is missing.
    """
    target, shape = checked_target(file, format), checked_shape(height, width)
    segmenter = SemanticSegmenter.load(find_model(locate(model)), torch.device("cpu"))
    segmenter.network.requires_grad_(False)
    program, canvas = trace(segmenter, shape)
    about: dict[str, Any] = {
        "canvas": canvas,
        "canvas_multiple": PADDING_MULTIPLE,
        "stride": STRIDE,
        "normalisation": "in the graph: pixels are RGB, 0 to 255, and zero beside the image",
        "shorter": segmenter.config.shorter,
        "longest": segmenter.config.longest,
        "categories": [vars(category) for category in segmenter.categories],
    }
    return write(program, target, INPUTS, OUTPUTS, about)


def trace(
    segmenter: SemanticSegmenter, shape: tuple[int, int] | None
) -> tuple[ExportedProgram, list[int] | None]:
    """Trace the network on the canvas for images of this shape; return that too, None if free."""
    config = segmenter.config
    is_free = shape is None and isinstance(segmenter.network, DeepLab)
    # The sides of a free canvas differ, or the exporter would take them for one.
    example = (3, 5) if is_free else shape or (1, 1)
    size = shortest_edge_size(*example, config.shorter, config.longest)
    image, sizes = pad_images([torch.zeros(*size, 3, dtype=torch.uint8).numpy()])
    shapes = {"image": free_sides(), "size": None} if is_free else None
    with evaluating(segmenter.network), torch.no_grad():
        program = torch.export.export(
            Classifier(segmenter), (image, sizes[0]), dynamic_shapes=shapes
        )
    return program, None if is_free else list(image.shape[-2:])


def free_sides() -> dict[int, Any]:
    """Describe a canvas whose sides are any multiples of 32."""
    most = MOST_PIXELS // PADDING_MULTIPLE
    return {
        axis: PADDING_MULTIPLE * Dim(name, min=1, max=most)
        for axis, name in ((2, "height"), (3, "width"))
    }
