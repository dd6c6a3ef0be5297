"""The labeller of IRNet: a class map and instances for every image, from its tags alone.

Who draws the activation maps is none of its business.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from upath import UPath

from ray_wssis.artifacts import Part
from ray_wssis.data.class_maps.tags import background_label
from ray_wssis.masks import encode
from ray_wssis.methods.irn.config import KIND, IRNetLabels, read_config
from ray_wssis.models.model_folder import categories_of, read_description
from ray_wssis.models.solov2_config import PADDING_MULTIPLE
from ray_wssis.semantic.label_row import SCHEMA, begin_row, complete
from ray_wssis.streaming.decode import Image
from ray_wssis.streaming.labeller import Infer, Row

if TYPE_CHECKING:
    from torch import Tensor


@runtime_checkable
class MapsOf(Protocol):
    """Opens to a function from images and their tags to scores, 0..1, of every label: (K, _, _)."""

    @property
    def made_from(self) -> str: ...
    def open(
        self,
    ) -> "Callable[[Sequence[np.ndarray[Any, Any]], Sequence[Any]], list[Tensor]]": ...


@dataclass(frozen=True, kw_only=True)
class DrawInstances:
    maps: MapsOf
    irnet: str  # a model folder
    labels: IRNetLabels
    made_from: str
    network_size: tuple[int, int]

    canvas_multiple = PADDING_MULTIPLE
    needs_original = False
    schema = pa.schema(
        [
            *SCHEMA,
            ("instance_label", pa.list_(pa.int32())),  # the surest instance first
            ("instance_score", pa.list_(pa.float32())),  # 0..1
            ("instance_mask", pa.list_(pa.binary())),  # run-length counts
        ]
    )

    @classmethod
    def of(cls, maps: MapsOf, irnet: Part, labels: IRNetLabels) -> "DrawInstances":
        """Compose it of activation maps and a model folder.  Raises ValueError if it is none."""
        how = labels.model_dump_json(exclude={"max_failures"})
        return cls(
            maps=maps,
            irnet=str(irnet.path),
            labels=labels,
            made_from=f"{maps.made_from} {irnet.digest} {how}",
            network_size=read_config(irnet.path).sides,
        )

    def open(self) -> Infer:
        import torch

        from ray_wssis.methods.irn.drawing import draw
        from ray_wssis.methods.irn.fields import Fields
        from ray_wssis.models.device import best_device

        maps_of, fields = self.maps.open(), Fields.load(UPath(self.irnet), best_device())
        categories = categories_of(read_description(UPath(self.irnet), KIND))
        background = background_label(categories)

        @torch.inference_mode()
        def infer(images: list[Image]) -> list[Row]:
            records = [image.record for image in images]
            shown = [image.network_image for image in images]
            maps = maps_of(shown, [record.tags for record in records])
            rows: list[Row] = []
            for record, own, seen in zip(records, maps, fields.see(shown), strict=True):
                drawn = draw(own, seen, (record.height, record.width), background, self.labels)
                rows.append(
                    begin_row(record, record.tags)
                    | {
                        "drawn_labels": drawn.class_map,
                        "drawn_confidence": drawn.confidence,
                        "instance_label": [found.label for found in drawn.instances],
                        "instance_score": [found.score for found in drawn.instances],
                        "instance_mask": [encode(found.mask) for found in drawn.instances],
                    }
                )
            return rows

        return infer

    def finish(self, row: Row) -> Row:
        return complete(row)
