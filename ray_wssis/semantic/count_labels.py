"""The labeller of the evaluation: how the networks' class maps compare with the true ones."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ray_wssis.artifacts import Part
from ray_wssis.data.class_maps.png import decode, encode
from ray_wssis.metrics.miou import Counts
from ray_wssis.models.solov2_config import PADDING_MULTIPLE
from ray_wssis.semantic.segmenter_config import Views, read_config
from ray_wssis.streaming.decode import Image
from ray_wssis.streaming.labeller import Infer, Row


@dataclass(frozen=True, kw_only=True)
class Way:
    """A model and how it is asked; figures are named by it."""

    name: str  # student, student@tags, ...
    model: str  # a model folder
    tags: bool  # whether the tags of the image are given
    views: Views


@dataclass(frozen=True, kw_only=True)
class CountLabels:
    """Gives one row per image and way."""

    ways: tuple[Way, ...]
    num_classes: int
    made_from: str
    network_size: tuple[int, int]
    needs_original: bool

    canvas_multiple = PADDING_MULTIPLE
    schema = pa.schema(
        [
            ("way", pa.string()),  # null in the row of an image that failed
            ("image_id", pa.int64()),
            ("class_map", pa.binary()),  # PNG, as drawn
            ("pair", pa.list_(pa.int32())),  # true label * num_classes + predicted label
            ("pixels", pa.list_(pa.int64())),  # of that pair
            ("boundary", pa.list_(pa.int64())),  # [K, 2], see `Counts`
        ]
    )

    @classmethod
    def of(cls, models: dict[str, Part], num_classes: int, views: Views) -> "CountLabels":
        """Ask each model without tags and with them, and with all views without."""
        sides = [read_config(model.path).sides for model in models.values()]
        ways = []
        for name, model in models.items():
            folder = str(model.path)
            ways += [
                Way(name=name, model=folder, tags=False, views=Views()),
                Way(name=f"{name}@tags", model=folder, tags=True, views=Views()),
            ]
            if views != Views():
                ways.append(Way(name=f"{name}@views", model=folder, tags=False, views=views))
        return cls(
            ways=tuple(ways),
            num_classes=num_classes,
            made_from=" ".join([model.digest for model in models.values()] + [repr(ways)]),
            network_size=sides[0],
            needs_original=len(set(sides)) > 1,
        )

    def open(self) -> Infer:
        from upath import UPath

        from ray_wssis.models.device import best_device
        from ray_wssis.semantic.segmenter import SemanticSegmenter, network_image

        device = best_device()
        segmenters = {
            way.model: SemanticSegmenter.load(UPath(way.model), device) for way in self.ways
        }

        def infer(images: list[Image]) -> list[Row]:
            records = [image.record for image in images]
            sizes = [(record.height, record.width) for record in records]
            rows = []
            for way in self.ways:
                segmenter = segmenters[way.model]
                resize = segmenter.config.sides != self.network_size
                shown = [
                    network_image(image.pixels, segmenter.config) if resize else image.network_image
                    for image in images
                ]
                tags = [record.tags if way.tags else None for record in records]
                drawn = segmenter.draw(shown, sizes, tags, way.views)
                rows += [
                    {
                        "way": way.name,
                        "image_id": record.image_id,
                        "truth": record.class_map,
                        "drawn": seen.class_map,
                    }
                    for record, seen in zip(records, drawn, strict=True)
                ]
            return rows

        return infer

    def finish(self, row: Row) -> Row:
        truth, drawn = decode(row.pop("truth")), row.pop("drawn")
        counts = Counts.of(truth, drawn, self.num_classes)
        pairs = np.flatnonzero(counts.pixels)
        return row | {
            "class_map": encode(drawn),
            "pair": pairs.tolist(),
            "pixels": counts.pixels.ravel()[pairs].tolist(),
            "boundary": counts.boundary.ravel().tolist(),
        }


def read_counts(row: Row, num_classes: int) -> Counts:
    """Read the counts of a finished row."""
    pixels = np.zeros(num_classes**2, np.int64)
    pixels[row["pair"]] = row["pixels"]
    return Counts(
        pixels=pixels.reshape(num_classes, num_classes),
        boundary=np.array(row["boundary"], np.int64).reshape(num_classes, 2),
    )
