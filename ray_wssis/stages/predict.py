"""What a trained segmenter finds in every picture, without any prompt."""

from typing import Any

import pyarrow as pa
from upath import UPath

from ray_wssis.methods.point_wssis.segmenter import Segmenter
from ray_wssis.stages.label import best_device
from ray_wssis.stages.stream import Picture

SCHEMA = pa.schema(
    [
        ("image_id", pa.int64()),
        ("label", pa.list_(pa.int32())),
        ("score", pa.list_(pa.float32())),  # best first
        ("mask", pa.list_(pa.binary())),  # run-length counts
        ("error", pa.string()),
    ]
)


class FindInstances:
    """Pictures -> rows of instances."""

    schema = SCHEMA

    def __init__(self, model: str) -> None:
        self.segmenter = Segmenter.load(UPath(model), best_device())

    def __call__(self, pictures: list[Picture]) -> list[dict[str, Any]]:
        readable = [picture for picture in pictures if picture.error is None]
        rows: list[dict[str, Any]] = [
            {"image_id": picture.record.image_id, "error": picture.error}
            for picture in pictures
            if picture.error is not None
        ]
        if not readable:
            return rows
        found = self.segmenter.segment(
            [picture.network_image for picture in readable],
            [picture.image.shape[:2] for picture in readable],
        )
        for picture, seen in zip(readable, found, strict=True):
            rows.append(
                {
                    "image_id": picture.record.image_id,
                    "label": seen.labels,
                    "score": seen.scores,
                    "mask": seen.masks,
                }
            )
        return rows
