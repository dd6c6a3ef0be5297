"""Measures the time of an exported student: one image, from its pixels to quarter-size masks.

    python -m benchmarks.export runs/demo --runs 20 --threads 2

Three ways to the same instances, on images of the built-in data set at the model's own size:
`Segmenter.forward` and `detect`, the result of `torch.export.load`, and onnxruntime.  The first
draws only confident cells, the others always `max_candidates`.  Each run shows one image to each of
them, in turn.  They must agree on every image before they are timed.
"""

import argparse
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from upath import UPath

from benchmarks.timing import interleaved, ratio, spread, table
from ray_wssis.data.builtin.shapes import draw_image
from ray_wssis.instance.export import export
from ray_wssis.instance.segmenter import Segmenter, network_image
from ray_wssis.models.canvas import pad_images
from ray_wssis.models.model_folder import find_model
from ray_wssis.models.solov2_inference import detect

NUM_IMAGES = 20
Pixels = NDArray[np.uint8]  # [H, W, 3]
Scores = NDArray[np.float32]
Way = Callable[[Pixels], Scores]


def main() -> None:
    options = read_options()
    torch.set_num_threads(options.threads)
    model = find_model(UPath(options.model))
    segmenter = Segmenter.load(model, torch.device("cpu"))
    side = segmenter.config.shorter
    images = [
        network_image(draw_image(i, 0, max(64, side))[0], segmenter.config)
        for i in range(NUM_IMAGES)
    ]
    with tempfile.TemporaryDirectory() as folder:
        ways: dict[str, Way] = {
            "eager torch": eager(segmenter),
            "torch.export": exported_torch(export(model, Path(folder, "m.pt2"), "torch")),
            "onnxruntime": exported_onnx(
                export(model, Path(folder, "m.onnx"), "onnx"), options.threads
            ),
        }
    num = assert_agreement(ways, images)
    seconds = interleaved({name: over(way, images) for name, way in ways.items()}, options.runs)
    print(
        f"{segmenter.config.network.backbone.name}, {side} x {side} pixels, {num} instances in "
        f"{NUM_IMAGES} images, {options.threads} threads, {options.runs} runs\n"
    )
    first = seconds["eager torch"]
    rows = [[name, spread(times), ratio(first, times)] for name, times in seconds.items()]
    print(table(["way", "one image", "times as fast"], rows))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="a model folder, or a run with a student")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


def eager(segmenter: Segmenter) -> Way:
    def scores(pixels: Pixels) -> Scores:
        found = detect(segmenter.forward([pixels]), segmenter.config.inference)[0]
        return np.asarray(found.scores)

    return scores


def exported_torch(file: UPath) -> Way:
    module = torch.export.load(file.path).module()

    def scores(pixels: Pixels) -> Scores:
        canvas, sizes = pad_images([pixels])
        return np.asarray(module(canvas, sizes[0])[2])

    return scores


def exported_onnx(file: UPath, threads: int) -> Way:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file.path, options, providers=["CPUExecutionProvider"])

    def scores(pixels: Pixels) -> Scores:
        canvas, sizes = pad_images([pixels])
        image, size = canvas.numpy(), sizes[0].numpy()
        return np.asarray(session.run(None, {"image": image, "size": size})[2])

    return scores


def assert_agreement(ways: dict[str, Way], images: list[Pixels]) -> int:
    """Return the number of instances that all ways find."""
    num = 0
    for pixels in images:
        expected, *others = ([score for score in way(pixels) if score] for way in ways.values())
        for scores in others:
            np.testing.assert_allclose(scores, expected, atol=1e-3)
        num += len(expected)
    return num


def over(way: Way, images: list[Pixels]) -> Callable[[], Scores]:
    """Call `way` with the next image each time."""
    turn = itertools.cycle(images)
    return lambda: way(next(turn))


if __name__ == "__main__":
    main()
