"""The labeller of the evaluation: what trained segmenters find in every image."""

from dataclasses import dataclass

import pyarrow as pa

from ray_wssis.streaming.labeller import Infer, Row


@dataclass(frozen=True, kw_only=True)
class FindInstances:
    """Gives one row per image and model."""

    models: dict[str, str]  # folders by name
    made_from: str
    network_size: tuple[int, int]
    canvas_multiple: int
    needs_original: bool

    schema = pa.schema(
        [
            ("model", pa.string()),  # null in the row of an image that failed
            ("image_id", pa.int64()),
            ("label", pa.list_(pa.int32())),
            ("score", pa.list_(pa.float32())),  # best first
            ("mask", pa.list_(pa.binary())),  # run-length counts
        ]
    )

    def open(self) -> Infer:
        from ray_wssis.instance.predict import open_segmenters  # imports torch

        return open_segmenters(self.models, self.network_size)

    def finish(self, row: Row) -> Row:
        return row
