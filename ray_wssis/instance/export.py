"""A trained segmenter as one file that runs without this package, by onnxruntime or by torch.

The graph is the whole detector for one image: normalisation, SOLOv2, the choice of cells, all
masks in one matrix product, matrix NMS.  None of its shapes depends on the image: a candidate that
is no instance keeps its row and gets the score 0.  The canvas is fixed too, because the exporters
turn the sides of a free one into numbers.

Legend: H W canvas pixels, h w = H / 4, W / 4, K rows, at most `max_instances`.
"""

import io
import json
from importlib.util import find_spec
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from upath import UPath

from ray_wssis.data.images import shortest_edge_size
from ray_wssis.instance.segmenter import Segmenter
from ray_wssis.models.canvas import pad_images
from ray_wssis.models.evaluating import evaluating
from ray_wssis.models.model_folder import find_model
from ray_wssis.models.solov2 import MASK_STRIDE
from ray_wssis.models.solov2_inference import choose_cells, draw_instances, join_levels
from ray_wssis.storage import Place, locate, write_atomically

Format = Literal["onnx", "torch"]
SUFFIXES: dict[Format, str] = {"onnx": ".onnx", "torch": ".pt2"}
INPUTS = ("image", "size")
OUTPUTS = ("masks", "labels", "scores")


class Detector(nn.Module):
    """Maps the pixels of one image to its instances."""

    def __init__(self, segmenter: Segmenter) -> None:
        super().__init__()
        self.network = segmenter.network
        self.config = segmenter.config.inference

    def forward(self, image: Tensor, size: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return masks (K, h, w) float, labels (K,) int64 and scores (K,) float, best first.

        `image` (1, 3, H, W) uint8 RGB, H and W multiples of 32; `size` (2,) int64: height and
        width of the image, which starts top left.  A row with the score 0 is no instance.
        """
        output = self.network(image, size[None])
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
    target = locate(file)
    if target.suffix != SUFFIXES[format]:
        raise ValueError(f"{file}: a file for {format} ends in {SUFFIXES[format]}")
    shape = checked_shape(height, width)
    if format == "onnx":
        require_extra()
    segmenter = Segmenter.load(find_model(locate(model)), torch.device("cpu"))
    segmenter.network.requires_grad_(False)  # its outputs need no detach
    program = trace(segmenter, *shape)
    data = onnx_bytes(program) if format == "onnx" else torch_bytes(program)
    about = json.dumps(describe(segmenter, program), indent=2) + "\n"
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, data)
    write_atomically(target.with_suffix(".json"), about.encode())
    return target


def checked_shape(height: int | None, width: int | None) -> tuple[int, int]:
    """Return (height, width) of the images to come; square ones by default."""
    if height is None and width is None:
        return 1, 1
    if height is None or width is None or min(height, width) < 1:
        raise ValueError(f"height {height} and width {width}: give both, in pixels")
    return height, width


def require_extra() -> None:
    if any(find_spec(name) is None for name in ("onnx", "onnxscript")):
        raise ValueError("--format onnx needs the optional extra: pip install 'ray-wssis[export]'")


def trace(segmenter: Segmenter, height: int, width: int) -> ExportedProgram:
    """Trace the detector, on the canvas for images of this shape."""
    config = segmenter.config
    size = shortest_edge_size(height, width, config.shorter, config.longest)
    image, sizes = pad_images([torch.zeros(*size, 3, dtype=torch.uint8).numpy()])
    with evaluating(segmenter.network), torch.no_grad():
        return torch.export.export(Detector(segmenter), (image, sizes[0]))


def torch_bytes(program: ExportedProgram) -> bytes:
    """Serialise to the content of a `.pt2` file, for `torch.export.load`."""
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return buffer.getvalue()


def onnx_bytes(program: ExportedProgram) -> bytes:
    """Serialise to the content of a `.onnx` file, weights included."""
    exported = torch.onnx.export(
        program,
        input_names=INPUTS,
        output_names=OUTPUTS,
        custom_translation_table={torch.ops.aten.sort.stable: stable_sort},
        verbose=False,
    )
    assert exported is not None
    return bytes(exported.model_proto.SerializeToString())


def stable_sort(values: Any, stable: bool = True, dim: int = -1, descending: bool = False) -> Any:
    """`torch.sort` of (N,) in ONNX operators.  Equal values stay in order: TopK promises that."""
    from onnxscript import opset20 as op  # of the optional extra

    return op.TopK(values, op.Shape(values), axis=dim, largest=int(descending), sorted=1)


def describe(segmenter: Segmenter, program: ExportedProgram) -> dict[str, Any]:
    """Describe the file for someone who does not have this package."""
    values = {node.name: node.meta["val"] for node in program.graph.nodes if "val" in node.meta}
    signature = program.graph_signature
    inputs = [values[name] for name in signature.user_inputs]
    outputs = [values[name] for name in signature.user_outputs]
    config = segmenter.config
    return {
        "inputs": dict(zip(INPUTS, map(shape_and_type, inputs), strict=True)),
        "outputs": dict(zip(OUTPUTS, map(shape_and_type, outputs), strict=True)),
        "canvas": list(inputs[0].shape[-2:]),
        "mask_stride": MASK_STRIDE,
        "normalisation": "in the graph: pixels are RGB, 0 to 255, and zero beside the image",
        "shorter": config.shorter,
        "longest": config.longest,
        "inference": config.inference.model_dump(mode="json"),
        "categories": [vars(category) for category in segmenter.categories],
    }


def shape_and_type(value: Tensor) -> dict[str, Any]:
    return {"shape": list(value.shape), "type": str(value.dtype).removeprefix("torch.")}
