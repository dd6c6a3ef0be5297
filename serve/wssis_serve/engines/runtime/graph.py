"""The network of a student as an ONNX file: from a canvas of one image to the maps of the network.

Whatever chooses among the maps stays in torch, so that an answer differs by rounding alone.  The
exporters turn the sides of a canvas into numbers: each canvas has a file of its own.

    python -m wssis_serve.engines.runtime.graph MODEL HEIGHT WIDTH FILE

writes one.  It is a process of its own, because tracing changes torch for all threads of a process.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from upath import UPath

from ray_wssis.instance.query_network import QueryNetwork
from ray_wssis.instance.query_segmenter import load_segmenter
from ray_wssis.models.export_file import onnx_bytes
from ray_wssis.models.queries import QueryOutput
from ray_wssis.models.semantic_network import SemanticNetwork
from ray_wssis.models.solov2 import SOLOv2, SOLOv2Output
from ray_wssis.semantic.segmenter import SemanticSegmenter
from ray_wssis.storage import write_atomically
from wssis_serve.engines.models import kind_of
from wssis_serve.segmented import Kind

INPUTS = ("images", "sizes")
NICENESS = 10  # requests are answered meanwhile


class InstanceMaps(nn.Module):
    """SOLOv2, or a network with queries, with its output as a plain tuple."""

    def __init__(self, network: SOLOv2 | QueryNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, sizes: Tensor) -> tuple[Tensor, ...]:
        """Return the maps that `joined` takes; arguments are those of the network."""
        output = self.network(images, sizes)
        if isinstance(output, QueryOutput):
            return output.class_scores, output.mask_logits
        return (*output.class_logits, *output.kernels, output.mask_features)


def joined(maps: Sequence[Tensor]) -> Any:
    """The output of the network, SOLOv2Output or QueryOutput, out of the maps of `InstanceMaps`."""
    if len(maps) == 2:
        return QueryOutput(class_scores=maps[0], mask_logits=maps[1])
    *levels, mask_features = maps
    half = len(levels) // 2
    return SOLOv2Output(
        class_logits=levels[:half], kernels=levels[half:], mask_features=mask_features
    )


class ClassMaps(nn.Module):
    """A semantic network, with the logits of its first head alone."""

    def __init__(self, network: SemanticNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, sizes: Tensor) -> tuple[Tensor, ...]:
        """Return the logits, (B, K, h, w), of canvases (B, 3, H, W)."""
        return (self.network(images, sizes).logits[0],)


def maps_of(model: UPath) -> nn.Module:
    """The network of a model folder, from canvases and sizes to a tuple of maps."""
    device = torch.device("cpu")
    if kind_of(model) is Kind.SEMANTIC:
        return ClassMaps(SemanticSegmenter.load(model, device).network)
    return InstanceMaps(load_segmenter(model, device).network)


def write_graph(maps: nn.Module, height: int, width: int, file: UPath) -> None:
    """Write the graph for one image on a canvas of this size."""
    image = torch.zeros(1, 3, height, width, dtype=torch.uint8)
    sizes = torch.tensor([[height, width]])
    with torch.no_grad():
        program = torch.export.export(maps.eval().requires_grad_(False), (image, sizes))
    num_maps = len(program.graph_signature.user_outputs)
    data = onnx_bytes(program, INPUTS, [f"map{i}" for i in range(num_maps)], None)
    write_atomically(file, data)


if __name__ == "__main__":
    model, height, width, file = sys.argv[1:]
    os.nice(NICENESS)
    torch.set_num_threads(1)
    write_graph(maps_of(UPath(model)), int(height), int(width), UPath(file))
