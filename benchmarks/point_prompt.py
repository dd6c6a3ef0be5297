"""What do more points on a picture cost?  Network, one mask per point, full-size run lengths.

    python benchmarks/point_prompt.py --shorter 800 --points 1 10 40 --runs 7

SOLOv2 with the published widths and the teacher's grids; the weights are random, which changes
no time of the network and gives masks with more holes and islands than real ones.  One run labels
the picture once with each number of points, in turn, so that a slow minute of the machine falls
on all of them.  The first run is not counted.
"""

import argparse
import statistics
import time

import numpy as np
import torch

from ray_wssis.data.images import shortest_edge_size
from ray_wssis.data.records import Category
from ray_wssis.methods.point_wssis.segmenter import Segmenter, SegmenterConfig
from ray_wssis.models.backbone import BackboneConfig
from ray_wssis.models.solov2 import SOLOv2, SOLOv2Config

NUM_CLASSES = 80
TEACHER_GRIDS = (80, 64, 32, 24, 12)


def main() -> None:
    options = read_options()
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    segmenter = make_segmenter(options.backbone)
    height, width = options.original
    network_size = shortest_edge_size(height, width, options.shorter, options.longest)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*network_size, 3), dtype=np.uint8)
    points = [(x * width, y * height) for x, y in rng.random((max(options.points), 2))]
    labels = rng.integers(0, NUM_CLASSES, len(points)).tolist()

    seconds: dict[int, list[tuple[float, float]]] = {num: [] for num in options.points}
    for _ in range(options.runs + 1):
        for num in options.points:
            start = time.perf_counter()
            output = segmenter.forward([image])
            drawn = time.perf_counter()
            segmenter.masks_of_points(
                output, 0, network_size, (height, width), points[:num], labels[:num]
            )
            seconds[num].append((drawn - start, time.perf_counter() - drawn))
    print(
        f"{options.backbone}, network input {network_size[1]} x {network_size[0]}, masks "
        f"{width} x {height}, {options.threads} threads, {options.runs} runs\n"
    )
    print(table({num: rows[1:] for num, rows in seconds.items()}))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shorter", type=int, default=800, help="network pixels")
    parser.add_argument("--longest", type=int, default=1333, help="network pixels")
    parser.add_argument("--original", type=int, nargs=2, default=(480, 640), help="height width")
    parser.add_argument("--points", type=int, nargs="+", default=[1, 10, 40])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--backbone", default="resnet50")
    return parser.parse_args()


def make_segmenter(backbone: str) -> Segmenter:
    network = SOLOv2Config(
        backbone=BackboneConfig(name=backbone, weights="none"), grids=TEACHER_GRIDS
    )
    categories = tuple(Category(id=i + 1, name=str(i + 1)) for i in range(NUM_CLASSES))
    return Segmenter(SOLOv2(network, NUM_CLASSES), SegmenterConfig(network=network), categories)


def table(seconds: dict[int, list[tuple[float, float]]]) -> str:
    """Medians, with the fastest and the slowest run; the ratio to the first row."""
    lines = [
        "| points | network, s | points and masks, s | together, s | ratio |",
        "|" + "---|" * 5,
    ]
    first = statistics.median(sum(row) for row in next(iter(seconds.values())))
    for num, rows in seconds.items():
        columns = [*zip(*rows, strict=True), [sum(row) for row in rows]]
        cells = [
            f"{statistics.median(column):.3f} ({min(column):.3f}-{max(column):.3f})"
            for column in columns
        ]
        ratio = statistics.median(columns[-1]) / first
        lines.append(f"| {num} | {' | '.join(cells)} | {ratio:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
