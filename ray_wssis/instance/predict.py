"""Segmenters at work on the images of a stream, without any prompt."""

from collections.abc import Mapping

from upath import UPath

from ray_wssis.instance.query_segmenter import QuerySegmenter, load_segmenter
from ray_wssis.instance.seams import RGB, segment_all
from ray_wssis.instance.segmenter import Segmenter, network_image
from ray_wssis.models.device import best_device
from ray_wssis.streaming.decode import Image
from ray_wssis.streaming.labeller import Infer, Row


def open_segmenters(models: Mapping[str, str], network_size: tuple[int, int]) -> Infer:
    """Load the models in these folders, by name; `network_size` is what images are decoded for."""
    device = best_device()
    segmenters = {name: load_segmenter(UPath(folder), device) for name, folder in models.items()}

    def infer(images: list[Image]) -> list[Row]:
        return [
            {"model": name} | row
            for name, segmenter in segmenters.items()
            for row in predict(segmenter, images, network_size)
        ]

    return infer


def predict(
    segmenter: Segmenter | QuerySegmenter, images: list[Image], network_size: tuple[int, int]
) -> list[Row]:
    config = segmenter.config

    def small(place: int) -> RGB:
        if config.sides == network_size:
            return images[place].network_image
        return network_image(images[place].pixels, config)

    sizes = [(image.record.height, image.record.width) for image in images]
    found = segment_all(segmenter, sizes, small, lambda place: images[place].pixels)
    return [
        {
            "image_id": image.record.image_id,
            "label": instances.labels,
            "score": instances.scores,
            "mask": instances.masks,
        }
        for image, instances in zip(images, found, strict=True)
    ]
