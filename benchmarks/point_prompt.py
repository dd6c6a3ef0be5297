"""Measures the cost of points: labelling one image, everything but the refiner.

    python -m benchmarks.point_prompt --shorter 800 --points 1 10 40 --runs 7

SOLOv2 with the published widths and the teacher's grids and random weights.  Three tables:

1. A whole image: resized for the network, shown to it, a mask drawn for each point, and encoded as
   full-size run lengths; against the bare network.  One run labels the image once with each number
   of points, in turn.
2. From the network's output to one soft mask per point (`decode_points`), against the oracle of
   its tests: one `conv2d` with a single kernel, and one maskness, for each point and level.
3. `mask_nms` of made-up quarter-size masks, of one class (every pair is compared) and of ten,
   against the oracle of its tests, a loop over pairs.

Reading the file is in none of them.  Both sides of 2 and 3 must agree before they are timed.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from benchmarks.scenes import (
    NUM_CLASSES,
    random_image,
    random_masks,
    random_segmenter,
    segmenter_config,
)
from benchmarks.timing import interleaved, ratio, spread, table
from ray_wssis.data.images.read import shortest_edge_size
from ray_wssis.instance.segmenter import Segmenter, network_image
from ray_wssis.methods.point_wssis.point_prompt import decode_points
from ray_wssis.methods.point_wssis.point_segmenter import draw_points
from ray_wssis.models.backbone_config import BackboneConfig
from ray_wssis.models.canvas import pad_images
from ray_wssis.models.solov2 import SOLOv2Output
from ray_wssis.models.solov2_inference import mask_nms
from tests.methods.point_wssis.test_point_prompt import point_by_point
from tests.models.test_solov2_inference import pair_by_pair

MAX_IOU = 0.5


def main() -> None:
    options = read_options()
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    backbone = BackboneConfig(name=options.backbone, weights="none")
    config = segmenter_config("teacher", backbone).model_copy(
        update={"shorter": options.shorter, "longest": options.longest}
    )
    segmenter = random_segmenter(config)
    height, width = options.original
    size = shortest_edge_size(height, width, options.shorter, options.longest)
    print(
        f"{options.backbone}, network input {size[1]} x {size[0]}, masks {width} x {height}, "
        f"{options.threads} threads, {options.runs} runs\n"
    )
    pixels = random_image(height, width, np.random.default_rng(0))
    print(whole_image(segmenter, pixels, options.points, options.runs), end="\n\n")
    output = segmenter.forward([network_image(pixels, config)])
    print(points_alone(output, max(options.points), options.runs), end="\n\n")
    print(nms_alone(options.masks, output, options.runs))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shorter", type=int, default=800, help="network pixels")
    parser.add_argument("--longest", type=int, default=1333, help="network pixels")
    parser.add_argument("--original", type=int, nargs=2, default=(480, 640), help="height width")
    parser.add_argument("--points", type=int, nargs="+", default=[1, 10, 40])
    parser.add_argument("--masks", type=int, default=100, help="for mask NMS")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--backbone", default="resnet50")
    return parser.parse_args()


def whole_image(segmenter: Segmenter, pixels: np.ndarray, nums: list[int], runs: int) -> str:
    """Return a table of times; ratios of medians are to the bare network, and to the first number
    of points."""
    size = pixels.shape[:2]
    rng = np.random.default_rng(0)
    points = [(x * size[1], y * size[0]) for x, y in rng.random((max(nums), 2))]
    labels = rng.integers(0, NUM_CLASSES, len(points)).tolist()
    seconds: dict[int, list[tuple[float, float]]] = {num: [] for num in nums}
    for _ in range(runs + 1):
        for num in nums:
            start = time.perf_counter()
            image = network_image(pixels, segmenter.config)
            canvas, sizes = pad_images([image])
            ready = time.perf_counter()
            with torch.inference_mode():
                output = segmenter.network(canvas, sizes)
            drawn = time.perf_counter()
            draw_points(segmenter, output, 0, image.shape[:2], size, points[:num], labels[:num])
            seconds[num].append((drawn - ready, time.perf_counter() - drawn + ready - start))

    rows, first = [], None
    for num, timed in seconds.items():
        network, rest = zip(*timed[1:], strict=True)
        together = [sum(row) for row in timed[1:]]
        first = first or together
        ratios = [f"**{ratio(together, network)}**", f"**{ratio(together, first)}**"]
        rows.append([str(num), *ratios, spread(network), spread(rest), spread(together)])
    head = ["points", "together / network", f"/ {nums[0]} point", "network", "all else", "together"]
    return table(head, rows)


def points_alone(output: SOLOv2Output, num: int, runs: int) -> str:
    height, width = output.canvas
    xy = torch.rand(num, 2) * torch.tensor([width, height])
    labels = torch.randint(0, NUM_CLASSES, (num,))
    slow_way = torch.inference_mode()(point_by_point)
    ours, theirs = decode_points(output, 0, xy, labels), slow_way(output, 0, xy, labels)
    assert torch.equal(ours.level, theirs.level)  # a pixel at 0.5 may go either way in maskness
    torch.testing.assert_close(ours.masks, theirs.masks, atol=1e-5, rtol=0)
    ways: dict[str, Callable[[], object]] = {
        "fast": partial(decode_points, output, 0, xy, labels),
        "slow": partial(slow_way, output, 0, xy, labels),
    }
    seconds = interleaved(ways, runs)
    head = ["points", "times faster", "decode_points", "point by point, level by level"]
    times = f"**{ratio(seconds['slow'], seconds['fast'])}**"
    return table(head, [[str(num), times, spread(seconds["fast"]), spread(seconds["slow"])]])


def nms_alone(num: int, output: SOLOv2Output, runs: int) -> str:
    height, width = output.mask_features.shape[-2:]
    masks = random_masks(num, height, width, np.random.default_rng(0))
    inside = torch.from_numpy(np.stack(masks)) > 0
    rows = []
    for num_classes in (1, 10):
        labels = torch.randint(0, num_classes, (num,))
        kept = mask_nms(inside, labels, MAX_IOU)
        assert torch.nonzero(kept).flatten().tolist() == pair_by_pair(inside, labels, MAX_IOU)
        ways: dict[str, Callable[[], object]] = {
            "fast": partial(mask_nms, inside, labels, MAX_IOU),
            "slow": partial(pair_by_pair, inside, labels, MAX_IOU),
        }
        seconds = interleaved(ways, runs)
        times = f"**{ratio(seconds['slow'], seconds['fast'])}**"
        cells = [times, str(int(kept.sum())), spread(seconds["fast"]), spread(seconds["slow"])]
        rows.append([str(num), str(num_classes), *cells])
    head = ["masks", "classes", "times faster", "kept", "mask_nms", "pair by pair"]
    return table(head, rows)


if __name__ == "__main__":
    main()
