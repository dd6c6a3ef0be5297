"""The labeller of semantic recipes: a class map for every image, its tags given.

Pixels that somebody annotated in an image to learn from keep their label; those of audit images,
which are annotated to measure with, are drawn like any other.
"""

from dataclasses import dataclass

import pyarrow as pa
from upath import UPath

from ray_wssis.artifacts import Part
from ray_wssis.models.solov2_config import PADDING_MULTIPLE
from ray_wssis.semantic.label_row import SCHEMA, WITH_CERTAINTY, begin_row, complete
from ray_wssis.semantic.segmenter_config import Views, read_config
from ray_wssis.semantic.split import SPARSE
from ray_wssis.streaming.decode import Image
from ray_wssis.streaming.labeller import Infer, Row

CLAMPED = UPath(SPARSE).stem  # source of the images whose annotated pixels keep their label


@dataclass(frozen=True, kw_only=True)
class DrawClassMaps:
    model: str  # a model folder
    views: Views
    made_from: str
    network_size: tuple[int, int]
    tags: bool = True  # whether the tags of an image are given
    certainty: bool = False  # whether rows say how certain each pixel is

    canvas_multiple = PADDING_MULTIPLE
    needs_original = False

    @property
    def schema(self) -> pa.Schema:
        return WITH_CERTAINTY if self.certainty else SCHEMA

    @classmethod
    def of(
        cls, model: Part, views: Views, *, tags: bool = True, certainty: bool = False
    ) -> "DrawClassMaps":
        """Compose it of a model folder.  Raises ValueError if it is none."""
        how = ("" if tags else " without tags") + (" with certainty" if certainty else "")
        return cls(
            model=str(model.path),
            views=views,
            made_from=f"{model.digest} {views.model_dump_json()}{how}",
            network_size=read_config(model.path).sides,
            tags=tags,
            certainty=certainty,
        )

    def open(self) -> Infer:
        from ray_wssis.models.device import best_device
        from ray_wssis.semantic.segmenter import SemanticSegmenter  # imports torch

        segmenter = SemanticSegmenter.load(UPath(self.model), best_device())

        def infer(images: list[Image]) -> list[Row]:
            records = [image.record for image in images]
            drawn = segmenter.draw(
                [image.network_image for image in images],
                [(record.height, record.width) for record in records],
                [record.tags if self.tags else None for record in records],
                self.views,
            )
            return [
                begin_row(record, record.tags if self.tags else None)
                | {
                    "drawn_labels": seen.class_map,
                    "drawn_confidence": seen.confidence,
                    "drawn_certainty": seen.certainty if self.certainty else None,
                    "annotated": record.class_map if image.source == CLAMPED else None,
                }
                for image, record, seen in zip(images, records, drawn, strict=True)
            ]

        return infer

    def finish(self, row: Row) -> Row:
        return complete(row)
