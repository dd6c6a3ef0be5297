"""The labeller of PointWSSIS (arXiv:2303.15062): a mask for every point.

The teacher draws a rough mask (`point_prompt`), the refiner improves it.
"""

from dataclasses import dataclass

import pyarrow as pa

from ray_wssis.artifacts import Part, short_hash
from ray_wssis.instance.label_row import SCHEMA, complete
from ray_wssis.instance.segmenter_config import read_config
from ray_wssis.instance.tidy_config import AS_DRAWN, TidyConfig
from ray_wssis.instance.tile_config import TileConfig
from ray_wssis.methods.point_wssis.refined_mask import apply_answer
from ray_wssis.methods.point_wssis.tiles import rows_of
from ray_wssis.models.solov2_config import PADDING_MULTIPLE
from ray_wssis.streaming.labeller import Infer, Row


@dataclass(frozen=True, kw_only=True)
class PointLabeller:
    teacher: str  # model folders
    refiner: str | None  # None: rough masks stay as they are
    made_from: str
    lineage: dict[str, str]  # short hashes of the models, which every mask carries
    network_size: tuple[int, int]
    canvas_multiple: int
    tidy: TidyConfig = AS_DRAWN
    tile: TileConfig | None = None  # null: every image is seen at once

    needs_original = True  # the refiner looks at crops of it
    signals = (
        "class_score",
        "maskness",
        "refined_score",
        "level_margin",
        "agreement",
        "point_inside",
        "area",
        "duplicate",
    )
    schema = pa.unify_schemas(
        [
            SCHEMA,
            pa.schema(
                [
                    ("level", pa.list_(pa.int32())),  # -1: no mask
                    ("class_score", pa.list_(pa.float32())),
                    ("maskness", pa.list_(pa.float32())),  # of the rough mask
                    ("level_margin", pa.list_(pa.float32())),
                ]
            ),
        ]
    )

    @classmethod
    def of(
        cls,
        teacher: Part,
        refiner: Part | None,
        *,
        tidy: TidyConfig = AS_DRAWN,
        tile: TileConfig | None = None,
    ) -> "PointLabeller":
        """Compose it of two model folders.  Raises ValueError if they are none."""
        models = {"teacher": teacher} | ({} if refiner is None else {"refiner": refiner})
        return cls(
            teacher=str(teacher.path),
            refiner=None if refiner is None else str(refiner.path),
            made_from=" ".join(model.digest for model in models.values())
            + tidy.made_from
            + ("" if tile is None else tile.made_from),
            lineage={name: short_hash(model.digest) for name, model in models.items()},
            network_size=read_config(teacher.path).sides,
            canvas_multiple=PADDING_MULTIPLE,
            tidy=tidy,
            tile=tile,
        )

    def open(self) -> Infer:
        from ray_wssis.methods.point_wssis.drafts import PointNetworks  # imports torch

        draft = PointNetworks.load(self.teacher, self.refiner).rows
        tile, sides = self.tile, self.network_size
        if tile is None:
            return draft
        return lambda images: rows_of(images, tile, sides, draft)

    def finish(self, row: Row) -> Row:
        return finish_row(row, self.tidy)


def finish_row(row: Row, tidy: TidyConfig = AS_DRAWN) -> Row:
    """Complete a drafted row with refined masks and all that follows from them.

    It comes with `answers`, one per point: the output of the refiner, or None.
    """
    size = row["height"], row["width"]
    refined: list[bytes | None] = list(row["rough"])
    scores = list(row["maskness"])
    for i, (rough, answer) in enumerate(zip(row["rough"], row["answers"], strict=True)):
        if rough is not None and answer is not None:
            improved = apply_answer(rough, answer, *size)
            refined[i], scores[i] = improved.mask, improved.score
    return complete(row | {"refined": refined, "refined_score": scores}, tidy)
