"""One heat channel gathered against a bank of 81: the refiner, per instance.

    python -m benchmarks.refiner --runs 7
    python -m benchmarks.refiner --device cuda --objects 64 --runs 20

MaskRefineNet with the published widths for 80 classes and random weights.  *Ours* is `Refiner`:
crop and rough mask go to the device as bytes, with a point and a label; the heat map is drawn
there, and one single-channel convolution is gathered per instance.  *Dense* is the same network
in the default memory format with the published first layer over 85 channels, all made on the host,
as a loader would.  Both go from rough masks to refined run lengths, one by one and in a batch, and
must agree before they are timed.  *Bytes* is what goes to the network per instance.
"""

import argparse
import copy
from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.scenes import NUM_CLASSES, categories, random_image, random_masks
from benchmarks.timing import interleaved, ratio, spread, table
from ray_wssis.masks import centroid, encode
from ray_wssis.methods.point_wssis.refiner import Refiner, maskness, to_tensors
from ray_wssis.methods.point_wssis.refiner_input import RefinerInput
from ray_wssis.models.mask_refine_net import LABEL_TO_HEAT_CHANNEL, MaskRefineNet, draw_gaussian
from ray_wssis.models.mask_refine_net_config import MaskRefineNetConfig

ORIGINAL = (480, 640)
Work = tuple[NDArray[np.uint8], list[bytes], list[tuple[float, float]], list[int]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--objects", type=int, default=8, help="instances of the image")
    parser.add_argument("--encoder", default="resnet101")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    torch.manual_seed(0)
    config = MaskRefineNetConfig(encoder=options.encoder, weights="none")
    network = MaskRefineNet(config, NUM_CLASSES).to(options.device)
    work = random_work(options.objects)
    names = {1: "one by one", options.objects: f"{options.objects} at once"}
    sides = {
        names[batch]: (DenseRefiner(network, batch), Refiner(network, categories(), batch))
        for batch in names
    }
    for dense, ours in sides.values():
        assert_agree(dense, ours, work)
    ways = {
        f"{side}, {name}": partial(refiner.refine, *work)
        for name, pair in sides.items()
        for side, refiner in zip(("dense", "ours"), pair, strict=True)
    }
    seconds = interleaved(ways, options.runs)
    per_instance = {
        way: [value / options.objects for value in values] for way, values in seconds.items()
    }
    first = per_instance["dense, one by one"]
    rows = [
        [way, f"**{ratio(first, values)}**", spread(values)] for way, values in per_instance.items()
    ]
    shipped, ours_shipped = bytes_per_instance(sides["one by one"][0], work)
    print(
        f"{options.encoder}, {options.objects} instances, {options.device}, "
        f"{torch.get_num_threads()} threads, {options.runs} runs\n"
    )
    print(table(["refiner", "times faster than the first", "per instance"], rows), end="\n\n")
    print(
        f"Bytes per instance: dense {shipped:,}, ours {ours_shipped:,}, "
        f"1/{shipped / ours_shipped:.0f}."
    )


class DenseRefiner(Refiner):
    """The published first layer, fed with all its planes from the host."""

    def __init__(self, network: MaskRefineNet, batch_size: int) -> None:
        network = copy.deepcopy(network).to(memory_format=torch.contiguous_format)
        super().__init__(network, categories(), batch_size)
        seen, heat = network.first.seen, network.first.heat_weight
        weight = torch.cat([seen.weight[:, :3], heat.transpose(0, 1), seen.weight[:, 3:]], dim=1)
        self.first = nn.Conv2d(weight.shape[1], len(weight), 7, stride=2, padding=3, bias=False)
        self.first.weight = nn.Parameter(weight.contiguous())

    @torch.inference_mode()
    def forward(self, inputs: list[RefinerInput]) -> Iterator[tuple[NDArray[np.float32], float]]:
        planes = self.planes(inputs).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            logits = self.network.after_first(self.first(planes), planes.shape[-2:]).float()
        foreground = (logits[:, 1] - logits[:, 0]).sigmoid()
        scores = maskness(foreground, planes[:, -1] > 0)
        return zip(foreground.cpu().numpy(), scores.tolist(), strict=True)

    def planes(self, inputs: list[RefinerInput]) -> Tensor:
        """(B, 3 + 81 + 1, S, S) float: red, green, blue, the heat channels, the rough mask."""
        rgb, rough, point, label = to_tensors(inputs)
        network, size = self.network, rough.shape[-1]
        planes = torch.zeros(len(rgb), self.first.in_channels, size, size)
        planes[:, :3] = ((rgb - network.mean.cpu()) / network.std.cpu()).permute(0, 3, 1, 2)
        channel = 3 + label + LABEL_TO_HEAT_CHANNEL
        planes[torch.arange(len(rgb)), channel] = draw_gaussian(point, size, network.sigma)
        planes[:, -1] = rough
        return planes


def random_work(num: int) -> Work:
    """Make the arguments of `Refiner.refine`."""
    rng = np.random.default_rng(0)
    roughs = [encode(mask) for mask in random_masks(num, *ORIGINAL, rng)]
    points = [centroid(rough, *ORIGINAL) for rough in roughs]
    labels = rng.integers(0, NUM_CLASSES, num).tolist()
    return random_image(*ORIGINAL, rng), roughs, points, labels


def bytes_per_instance(dense: DenseRefiner, work: Work) -> tuple[int, int]:
    """Return the bytes that go to the network for one instance: dense, ours."""
    image, roughs, points, labels = work
    inputs = [dense.input(image, roughs[0], points[0], labels[0])]
    return dense.planes(inputs).nbytes, sum(tensor.nbytes for tensor in to_tensors(inputs))


def assert_agree(dense: Refiner, ours: Refiner, work: Work) -> None:
    image = work[0]
    inputs = [ours.input(image, *prompt) for prompt in zip(*work[1:], strict=True)]
    for (a, _), (b, _) in zip(dense.forward(inputs), ours.forward(inputs), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4 if ours.device.type == "cpu" else 1e-2)


if __name__ == "__main__":
    main()
