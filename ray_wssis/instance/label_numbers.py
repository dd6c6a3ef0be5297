"""Numbers about every pseudo mask of a run, and the few rows that a page shows.

There may be hundreds of thousands of images.  Label files are read piece by piece and masks are
freed once they are compared, so only a few bytes per point remain.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from upath import UPath

from ray_wssis.data.records import Record, Records
from ray_wssis.instance.truth import compare_row, iou_or_nan
from ray_wssis.streaming.table import pieces, rows_of, shards

ROWS_AT_A_TIME = 64
WEAK = "weak"  # source of the images without masks
COLUMNS = ["image_id", "annotation_id", "level", "rough", "refined", "refined_score"]


@dataclass(frozen=True, kw_only=True)
class LabelNumbers:
    """Numbers of points; entry i of every array is about the same one."""

    files: tuple[UPath, ...]  # of the rows
    file: NDArray[np.int64]  # place in `files`
    image_id: NDArray[np.int64]
    item: NDArray[np.int64]  # place in the lists of the image's row
    has_mask: NDArray[np.bool_]
    level: NDArray[np.int64]  # of the pyramid; -1: no mask, or not drawn by a pyramid level
    score: NDArray[np.float64]  # of the refiner; NaN: no mask
    rough_iou: NDArray[np.float64]  # with the true mask, 0 without a mask; NaN: truth not known
    refined_iou: NDArray[np.float64]

    def __len__(self) -> int:
        return int(self.image_id.size)

    @property
    def knows_truth(self) -> bool:
        return bool(np.isfinite(self.refined_iou).any())

    @property
    def quality(self) -> NDArray[np.float64]:
        """IoU of the refined mask with the true one; its score if no truth is known."""
        return self.refined_iou if self.knows_truth else self.score

    def rows(self, chosen: list[int]) -> dict[int, dict[str, Any]]:
        """Read the whole rows of the images of the points `chosen`, by image id."""
        found: dict[int, dict[str, Any]] = {}
        for file in np.unique(self.file[chosen]).tolist():
            here = {int(self.image_id[i]) for i in chosen if self.file[i] == file}
            with self.files[file].open("rb") as stream:
                wanted = [("image_id", "in", sorted(here)), ("source", "==", WEAK)]
                table = pq.read_table(stream, filters=wanted)
            found |= {row["image_id"]: row for row in table.to_pylist()}
        return found


class RecordsById:
    """Records that are looked up by image id.  They stay an Arrow table."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.order = np.argsort(records.table["image_id"].to_numpy(), kind="stable")
        self.ids = records.table["image_id"].to_numpy()[self.order]

    def find(self, image_ids: list[int]) -> dict[int, Record]:
        """Return the records of those ids that exist."""
        if not len(self.ids):
            return {}
        places = np.searchsorted(self.ids, image_ids).clip(max=len(self.ids) - 1)
        known = self.ids[places] == np.asarray(image_ids, dtype=np.int64)
        chosen = self.records.select(self.order[places[known]].tolist())
        return {record.image_id: record for record in chosen}


def read_label_numbers(folder: UPath, truth: RecordsById | None) -> LabelNumbers:
    """Read the numbers of all points of weak images in the label files of `folder`, if any."""
    files = tuple(shards(folder))
    parts = [np.zeros((0, 8))]
    for index, file in enumerate(files):
        for rows in pieces(rows_of(file, COLUMNS, WEAK), ROWS_AT_A_TIME):
            records = truth.find([row["image_id"] for row in rows]) if truth else {}
            lines = [
                (index, *line)
                for row in rows
                for line in measure(row, records.get(row["image_id"]))
            ]
            parts.append(np.array(lines, dtype=np.float64).reshape(-1, 8))
    table = np.concatenate(parts)
    file, image_id, item, level = table[:, :4].astype(np.int64).T
    return LabelNumbers(
        files=files,
        file=file,
        image_id=image_id,
        item=item,
        level=level,
        has_mask=table[:, 4] > 0,
        score=table[:, 5],
        rough_iou=table[:, 6],
        refined_iou=table[:, 7],
    )


def measure(row: dict[str, Any], truth: Record | None) -> Iterator[tuple[float, ...]]:
    """Yield image id, item, level, has_mask, score, rough IoU and refined IoU of each point."""
    levels = row.get("level")  # unknown to labellers without a pyramid
    rough, refined = (compare_row(row, column, truth) for column in ("rough", "refined"))
    for item, annotation in enumerate(row["annotation_id"] or []):
        has_mask = row["refined"][item] is not None
        score = row["refined_score"][item] if has_mask else None
        yield (
            row["image_id"],
            item,
            levels[item] if has_mask and levels else -1,
            has_mask,
            np.nan if score is None else score,
            iou_or_nan(rough, annotation),
            iou_or_nan(refined, annotation),
        )
