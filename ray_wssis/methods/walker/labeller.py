"""The cheapest rival: masks by colours and by the usual size of an object, without a network."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ray_wssis.instance.area_prior import AreaPrior
from ray_wssis.instance.label_row import SCHEMA, begin_row, complete
from ray_wssis.methods.walker.walk import walk
from ray_wssis.streaming.decode import Image
from ray_wssis.streaming.labeller import Infer, Row

SIDE = 64  # pixels of the network image, which nobody looks at


@dataclass(frozen=True, kw_only=True)
class WalkerLabeller:
    radii: tuple[float, ...]  # of a usual object, by label; pixels
    made_from: str
    lineage: dict[str, str]

    signals = ("outline", "point_inside", "area", "duplicate")
    network_size = (SIDE, SIDE)
    canvas_multiple = SIDE
    needs_original = True
    schema = pa.unify_schemas([SCHEMA, pa.schema([("outline", pa.list_(pa.float32()))])])

    @classmethod
    def of(cls, prior: AreaPrior, num_classes: int) -> "WalkerLabeller":
        """Walk around objects of the sizes that true masks have."""
        areas = [prior.typical(label) for label in range(num_classes)]
        radii = tuple(round(float(np.sqrt(area / np.pi)), 3) for area in areas)
        digest = hashlib.sha256(repr(radii).encode()).hexdigest()[:12]
        return cls(radii=radii, made_from=f"walker {radii}", lineage={"walker": digest})

    def open(self) -> Infer:
        return lambda images: [self.row(image) for image in images]

    def row(self, image: Image) -> Row:
        """Draw the objects of an image; `finish` completes what this returns."""
        record = image.record
        pointed = [(obj, obj.point) for obj in record.objects if obj.point is not None]
        points = [point for _, point in pointed]
        radii = [self.radii[obj.label] for obj, _ in pointed]
        walked = walk(image.pixels, points, radii)
        masks, strengths = [one.mask for one in walked], [one.strength for one in walked]
        return begin_row(record) | {
            "rough": masks,
            "refined": masks,
            "refined_score": strengths,
            "outline": strengths,
        }

    def finish(self, row: Row) -> Row:
        return complete(row)
