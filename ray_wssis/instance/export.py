"""A trained segmenter as one file that runs without this package, by onnxruntime or by torch.

The graph is the whole detector for one image: normalisation, SOLOv2, the choice of cells, all
masks in one matrix product, matrix NMS.  None of its shapes depends on the image: a candidate that
is no instance keeps its row and gets the score 0.  The canvas is fixed too, because the exporters
turn the sides of a free one into numbers.

Legend: H W canvas pixels, h w = H / 4, W / 4, K rows, at most `max_instances`.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from upath import UPath

from ray_wssis.data.images.read import shortest_edge_size
from ray_wssis.instance.query_segmenter import QuerySegmenter, load_segmenter
from ray_wssis.instance.segmenter import Segmenter
from ray_wssis.models.canvas import pad_images
from ray_wssis.models.evaluating import evaluating
from ray_wssis.models.export_file import Format, checked_shape, checked_target, write
from ray_wssis.models.model_folder import find_model
from ray_wssis.models.queries import QueryOutput, ranked_queries
from ray_wssis.models.solov2 import MASK_STRIDE
from ray_wssis.models.solov2_inference import choose_cells, draw_instances, join_levels
from ray_wssis.storage import Place, locate

INPUTS = ("image", "size")
OUTPUTS = ("masks", "labels", "scores")


class Detector(nn.Module):
    """Maps the pixels of one image to its instances."""

    def __init__(self, segmenter: Segmenter | QuerySegmenter) -> None:
        super().__init__()
        self.network = segmenter.network
        self.config = segmenter.config.inference

    def forward(self, image: Tensor, size: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return masks (K, h, w) float, labels (K,) int64 and scores (K,) float, best first.

        `image` (1, 3, H, W) uint8 RGB, H and W multiples of 32; `size` (2,) int64: height and
        width of the image, which starts top left.  A row with the score 0 is no instance.
        """
        output = self.network(image, size[None])
        if isinstance(output, QueryOutput):
            masks, labels, scores = ranked_queries(output.class_scores[0], output.mask_logits[0])
            most = self.config.max_instances
            counted = scores >= self.config.min_score
            return masks[:most], labels[:most], scores.where(counted, 0)[:most]
        scores, kernels, strides = join_levels(output)
        best, labels, cells = choose_cells(scores[0], self.config)
        found = draw_instances(
            best,
            labels,
            kernels[0][:, cells],
            strides[cells],
            output.mask_features[0],
            self.config,
        )
        counted = found.scores >= self.config.min_score
        return found.masks, found.labels, found.scores.where(counted, 0)


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
    of the images to come, in their own pixels, and give the canvas its shape; without them it is
    square.  Returns the file.

    Raises ValueError if there is no segmenter, if the file has another suffix, or if the optional
    extra is missing.
    """
    target, shape = checked_target(file, format), checked_shape(height, width)
    segmenter = load_segmenter(find_model(locate(model)), torch.device("cpu"))
    segmenter.network.requires_grad_(False)  # its outputs need no detach
    program, canvas = trace(segmenter, *(shape or (1, 1)))
    about = {
        "canvas": canvas,
        "mask_stride": MASK_STRIDE,
        "normalisation": "in the graph: pixels are RGB, 0 to 255, and zero beside the image",
        "shorter": segmenter.config.shorter,
        "longest": segmenter.config.longest,
        "inference": segmenter.config.inference.model_dump(mode="json"),
        "categories": [vars(category) for category in segmenter.categories],
    }
    translations = {torch.ops.aten.sort.stable: stable_sort}
    return write(program, target, INPUTS, OUTPUTS, about, translations)


def trace(
    segmenter: Segmenter | QuerySegmenter, height: int, width: int
) -> tuple[ExportedProgram, list[int]]:
    """Trace the detector, on the canvas for images of this shape; return that too."""
    config = segmenter.config
    size = shortest_edge_size(height, width, config.shorter, config.longest)
    image, sizes = pad_images([torch.zeros(*size, 3, dtype=torch.uint8).numpy()])
    with evaluating(segmenter.network), torch.no_grad():
        program = torch.export.export(Detector(segmenter), (image, sizes[0]))
    return program, list(image.shape[-2:])


def stable_sort(values: Any, stable: bool = True, dim: int = -1, descending: bool = False) -> Any:
    """`torch.sort` of (N,) in ONNX operators.  Equal values stay in order: TopK promises that."""
    from onnxscript import opset20 as op  # of the optional extra

    return op.TopK(values, op.Shape(values), axis=dim, largest=int(descending), sorted=1)
