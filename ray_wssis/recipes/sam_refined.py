"""A labeller of two methods: a segmenter draws a rough mask for every point, a SAM improves it.

The SAM takes the place of PointWSSIS's refiner; it is not trained (SAMRefiner, arXiv:2502.06756).
"""

from dataclasses import dataclass

import pyarrow as pa

from ray_wssis.artifacts import Part
from ray_wssis.data.images.read import resize_image, shortest_edge_size
from ray_wssis.instance.label_row import complete
from ray_wssis.instance.tidy_config import AS_DRAWN, TidyConfig
from ray_wssis.methods.point_wssis.labeller import PointLabeller
from ray_wssis.methods.sam.candidates import enlarge
from ray_wssis.methods.sam.labeller import SamLabeller, signals_of
from ray_wssis.streaming.decode import Image
from ray_wssis.streaming.labeller import Infer, Row


@dataclass(frozen=True, kw_only=True)
class SamRefined:
    """Gives the rows of `PointLabeller`, with refined masks of a SAM."""

    draft: PointLabeller  # without a refiner
    sam: SamLabeller
    made_from: str
    lineage: dict[str, str]
    network_size: tuple[int, int]
    canvas_multiple: int
    tidy: TidyConfig = AS_DRAWN

    needs_original = True  # the SAM sees the image at its own size
    signals = (*PointLabeller.signals, "predicted_iou", "stability", "choice_margin")
    schema = pa.unify_schemas([PointLabeller.schema, SamLabeller.schema])

    @classmethod
    def of(cls, segmenter: Part, sam: SamLabeller, *, tidy: TidyConfig = AS_DRAWN) -> "SamRefined":
        """Compose it of the model folder of a segmenter, and a SAM that is not tidied."""
        draft = PointLabeller.of(segmenter, None)
        return cls(
            draft=draft,
            sam=sam,
            made_from=f"{draft.made_from} refined by {sam.made_from}{tidy.made_from}",
            lineage=draft.lineage | sam.lineage,
            network_size=draft.network_size,
            canvas_multiple=draft.canvas_multiple,
            tidy=tidy,
        )

    def open(self) -> Infer:
        from ray_wssis.methods.point_wssis.drafts import PointNetworks, pointed  # import torch
        from ray_wssis.methods.sam.networks import SamNetworks

        rough = PointNetworks.load(self.draft.teacher, None)
        networks = SamNetworks.load(self.sam.weights, self.sam.negatives)
        sides = self.sam.network_size

        def improved(image: Image, row: Row) -> Row:
            record = pointed(image.record)
            size = shortest_edge_size(record.height, record.width, *sides)
            seen = resize_image(image.pixels, *size)
            drawn = networks.draw(record, seen, row["rough"]) if record.objects else []
            return row | {"drawn": drawn}

        def rows(images: list[Image]) -> list[Row]:
            drafted = rough.rows(images)
            return [improved(image, row) for image, row in zip(images, drafted, strict=True)]

        return rows

    def finish(self, row: Row) -> Row:
        """Complete a row of rough masks, whose `drawn` are candidates, one per point, or None."""
        size = row["height"], row["width"]
        drawn = row["drawn"]
        masks = [None if one is None else enlarge(one, *size) for one in drawn]
        found = list(zip(masks, drawn, row["rough"], row["maskness"], strict=True))
        return complete(
            row
            | {
                "refined": [rough if mask is None else mask for mask, _, rough, _ in found],
                "refined_score": [
                    maskness if mask is None else one.predicted_iou
                    for mask, one, _, maskness in found
                ],
            }
            | signals_of(drawn),
            self.tidy,
        )
