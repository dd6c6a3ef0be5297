"""The labeller of images without points: the teacher proposes the objects itself.

It finds instances as it would without any prompt, and points at each of them, in the way in which
people's points were drawn; the refiner improves their masks as it does for points.  Class and
mask are scored apart, so that somebody may believe in the one and not in the other (PL-DC, AAAI
2026).  Beyond PointWSSIS.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from ray_wssis.artifacts import Part, short_hash
from ray_wssis.data.points.kind import PointKind
from ray_wssis.instance.label_row import SCHEMA
from ray_wssis.instance.segmenter_config import read_config
from ray_wssis.methods.point_wssis.labeller import finish_row
from ray_wssis.models.solov2_config import PADDING_MULTIPLE
from ray_wssis.streaming.labeller import Infer, Row

if TYPE_CHECKING:
    from ray_wssis.streaming.decode import Image


@dataclass(frozen=True, kw_only=True)
class Proposer:
    """Gives rows as for points; the numbers of annotations count from 1 in each image."""

    teacher: str  # model folders
    refiner: str
    point_kind: PointKind
    made_from: str
    lineage: dict[str, str]  # short hashes of the models, which every mask carries
    network_size: tuple[int, int]
    canvas_multiple: int

    needs_original = True  # the refiner looks at crops of it
    signals = ("maskness", "refined_score", "agreement", "point_inside", "area", "duplicate")
    schema = pa.unify_schemas(
        [
            SCHEMA,
            pa.schema(
                [
                    ("class_score", pa.list_(pa.float32())),  # lowered by better neighbours
                    ("maskness", pa.list_(pa.float32())),  # of the rough mask
                ]
            ),
        ]
    )

    @classmethod
    def of(cls, teacher: Part, refiner: Part, point_kind: PointKind) -> "Proposer":
        """Compose it of two model folders.  Raises ValueError if they are none."""
        models = {"teacher": teacher, "refiner": refiner}
        return cls(
            teacher=str(teacher.path),
            refiner=str(refiner.path),
            point_kind=point_kind,
            made_from=" ".join([*(model.digest for model in models.values()), point_kind]),
            lineage={name: short_hash(model.digest) for name, model in models.items()},
            network_size=read_config(teacher.path).sides,
            canvas_multiple=PADDING_MULTIPLE,
        )

    def open(self) -> Infer:
        from ray_wssis.methods.point_wssis.drafts import PointNetworks  # imports torch
        from ray_wssis.methods.point_wssis.propose import propose

        networks = PointNetworks.load(self.teacher, self.refiner)

        def infer(images: list["Image"]) -> list[Row]:
            return propose(networks, images, self.point_kind)

        return infer

    def finish(self, row: Row) -> Row:
        return finish_row(row)
