"""Rough masks of the strong images, for the refiner to practise on (PointWSSIS, arXiv:2303.15062).

They come from early checkpoints of the teacher, because the last one nearly knows the strong
images by heart and its masks would be too good to learn from.  Each object is drawn twice per
checkpoint: by the level that its size belongs to, and by the level that its point picks, which is
how the refiner will meet masks later.

Differs from the paper: the published code draws by size only, with up to nine cells an object.
"""

from dataclasses import dataclass

import pyarrow as pa

from ray_wssis.artifacts import Artifact
from ray_wssis.instance.segmenter_config import read_config
from ray_wssis.instance.split import TAUGHT, VALIDATION
from ray_wssis.models.solov2_config import PADDING_MULTIPLE
from ray_wssis.streaming.labeller import Infer, Row


@dataclass(frozen=True, kw_only=True)
class EarlyTeachers:
    """A labeller: one row per image, checkpoint and way of picking the level."""

    teachers: dict[str, list[str]]  # model folders by the source of the images that they draw on
    made_from: str
    network_size: tuple[int, int]
    canvas_multiple: int

    needs_original = False
    schema = pa.schema(
        [
            ("image_id", pa.int64()),
            ("annotation_id", pa.list_(pa.int64())),
            ("rough", pa.list_(pa.binary())),  # run-length counts, null where nothing was drawn
        ]
    )

    @classmethod
    def of(cls, teacher: Artifact, num_early: int) -> "EarlyTeachers":
        """Compose it of a trained teacher: early ones for strong images, the last for others."""
        early = [str(teacher / f"early_{i}") for i in range(1, num_early + 1)]
        last = teacher / "model"
        return cls(
            teachers={source_of(TAUGHT): early, source_of(VALIDATION): [str(last)]},
            made_from=teacher.digest,
            network_size=read_config(last).sides,
            canvas_multiple=PADDING_MULTIPLE,
        )

    def open(self) -> Infer:
        from ray_wssis.methods.point_wssis.practice import open_teachers  # imports torch

        return open_teachers(self.teachers)

    def finish(self, row: Row) -> Row:
        return row


def source_of(name: str) -> str:
    return name.partition(".")[0]
