"""What trained segmenters find in every picture, without any prompt."""

from typing import Any

import pyarrow as pa
from upath import UPath

from ray_wssis.instance.label import best_device
from ray_wssis.instance.segmenter import Segmenter, network_image
from ray_wssis.streaming.decode import Picture

SCHEMA = pa.schema(
    [
        ("model", pa.string()),  # null in the row of a picture that failed
        ("image_id", pa.int64()),
        ("label", pa.list_(pa.int32())),
        ("score", pa.list_(pa.float32())),  # best first
        ("mask", pa.list_(pa.binary())),  # run-length counts
    ]
)


class FindInstances:
    """Pictures -> one row per picture and model.  `models` are folders by name."""

    def __init__(self, models: dict[str, str]) -> None:
        device = best_device()
        self.segmenters = {
            name: Segmenter.load(UPath(folder), device) for name, folder in models.items()
        }
        self.first = next(iter(self.segmenters.values()))  # pictures come at its size

    def __call__(self, pictures: list[Picture]) -> list[dict[str, Any]]:
        rows = []
        for name, segmenter in self.segmenters.items():
            rows += [{"model": name} | row for row in self.find(segmenter, pictures)]
        return rows

    def find(self, segmenter: Segmenter, pictures: list[Picture]) -> list[dict[str, Any]]:
        same_size = segmenter.config.sides == self.first.config.sides
        found = segmenter.segment(
            [
                picture.network_image
                if same_size
                else network_image(picture.image, segmenter.config)
                for picture in pictures
            ],
            [(picture.record.height, picture.record.width) for picture in pictures],
        )
        return [
            {
                "image_id": picture.record.image_id,
                "label": seen.labels,
                "score": seen.scores,
                "mask": seen.masks,
            }
            for picture, seen in zip(pictures, found, strict=True)
        ]
