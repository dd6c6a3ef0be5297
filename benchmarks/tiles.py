"""Labels one huge image of many objects at once and by tiles.

    python -m benchmarks.tiles runs/demo --height 4000 --width 6000 --objects 3000

The image is a mosaic of the built-in data set, 128 pixels each, whose networks those of `runs/demo`
are.  Without Ray: one process, one thread for each core.
"""

import argparse
import resource
import time
from dataclasses import replace

import numpy as np
from upath import UPath

from benchmarks.timing import table
from ray_wssis.artifacts import read_artifact
from ray_wssis.data.builtin.shapes import draw_image
from ray_wssis.data.images.read import resize_image, shortest_edge_size
from ray_wssis.data.records import Object, Record
from ray_wssis.instance.tile_config import TileConfig
from ray_wssis.masks import bounding_box, centroid, decode, encode_in_box, iou
from ray_wssis.methods.point_wssis.labeller import PointLabeller
from ray_wssis.storage import locate
from ray_wssis.streaming.decode import Image

SIDE = 128  # pixels of a shapes image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", help="folder of a finished run of the demonstration")
    parser.add_argument("--height", type=int, default=4000)
    parser.add_argument("--width", type=int, default=6000)
    parser.add_argument("--objects", type=int, default=3000)
    options = parser.parse_args()
    folder = locate(options.run)
    image = mosaic(options.height, options.width, options.objects)
    print(f"{image.record.width} x {image.record.height}, {len(image.record.objects)} objects")
    print(f"memory before: {memory():.0f} MB", flush=True)
    rows = []
    for name, tile in (("at once", None), ("tiles", TileConfig(size=SIDE, overlap=0.5))):
        rows.append([name, *labelled(folder, image, tile)])
    print(table(["", "s", "MB at most, so far", "mIoU", "without a mask"], rows))


def labelled(folder: UPath, image: Image, tile: TileConfig | None) -> list[str]:
    teacher = read_artifact(folder / "teacher").part("model")
    refiner = read_artifact(folder / "refiner").part("model")
    labeller = PointLabeller.of(teacher, refiner, tile=tile)
    size = image.record.height, image.record.width
    small = resize_image(image.pixels, *shortest_edge_size(*size, *labeller.network_size))
    infer = labeller.open()
    began = time.perf_counter()
    row = labeller.finish(infer([replace(image, network_image=small)])[0])
    took = time.perf_counter() - began
    ious = [
        0.0 if mask is None or obj.mask is None else iou(mask, obj.mask, *size)
        for mask, obj in zip(row["refined"], image.record.objects, strict=True)
    ]
    lost = sum(mask is None for mask in row["refined"])
    return [f"{took:.0f}", f"{memory():.0f}", f"{100 * np.mean(ious):.1f}", f"{lost}"]


def mosaic(height: int, width: int, most: int) -> Image:
    """Compose an image of shapes images, with the points and masks of its first objects."""
    pixels = np.zeros((height, width, 3), np.uint8)
    objects: list[Object] = []
    for number, (y, x) in enumerate(
        (y, x) for y in range(0, height - SIDE + 1, SIDE) for x in range(0, width - SIDE + 1, SIDE)
    ):
        part, drawn = draw_image(number, 0, SIDE)
        pixels[y : y + SIDE, x : x + SIDE] = part
        for obj in drawn.objects:
            assert obj.mask is not None
            left, top, right, bottom = bounding_box(obj.mask, SIDE, SIDE)
            inside = decode(obj.mask, SIDE, SIDE)[top:bottom, left:right]
            whole = encode_in_box(inside, (left + x, top + y, right + x, bottom + y), height, width)
            objects.append(
                Object(
                    annotation_id=len(objects) + 1,
                    label=obj.label,
                    mask=whole,
                    point=centroid(whole, height, width),
                )
            )
    places = np.random.default_rng(0).permutation(len(objects))[:most]
    record = Record(
        image_id=1,
        file="mosaic.png",
        width=width,
        height=height,
        objects=tuple(objects[place] for place in sorted(places)),
    )
    return Image(record=record, source="weak", key=1, pixels=pixels)


def memory() -> float:
    """Return the most megabytes that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
