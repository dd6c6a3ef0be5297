"""Numbers about every pseudo mask of a run, and the few rows that a page wants to show.

There may be hundreds of thousands of pictures.  Label files are read piece by piece, masks are
looked at and forgotten, and what stays is a few bytes per point.
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

ROWS_AT_A_TIME = 64  # pictures
WEAK = "weak"  # of the pictures in the rows, those that nobody has masks of
COLUMNS = [
    "source",
    "image_id",
    "annotation_id",
    "level",
    "rough",
    "refined",
    "refined_score",
]


@dataclass(frozen=True, kw_only=True)
class LabelNumbers:
    """Entry i of every array is the same point."""

    files: tuple[UPath, ...]  # of the rows
    file: NDArray[np.int64]  # place in `files`
    image_id: NDArray[np.int64]
    item: NDArray[np.int64]  # place in the lists of the picture's row
    level: NDArray[np.int64]  # -1: no mask
    score: NDArray[np.float64]  # that the refiner gives; NaN: no mask
    rough_iou: NDArray[np.float64]  # with the truth, 0 for no mask; NaN: truth not known
    refined_iou: NDArray[np.float64]

    def __len__(self) -> int:
        return int(self.image_id.size)

    @property
    def has_mask(self) -> NDArray[np.bool_]:
        return self.level >= 0

    @property
    def knows_truth(self) -> bool:
        return bool(np.isfinite(self.refined_iou).any())

    @property
    def quality(self) -> NDArray[np.float64]:
        """IoU of the refined mask with the truth, or what the refiner thinks of it."""
        return self.refined_iou if self.knows_truth else self.score

    def rows(self, chosen: list[int]) -> dict[int, dict[str, Any]]:
        """Whole rows of the pictures of the points `chosen`, by image id."""
        found: dict[int, dict[str, Any]] = {}
        for file in np.unique(self.file[chosen]).tolist():
            here = {int(self.image_id[i]) for i in chosen if self.file[i] == file}
            with self.files[file].open("rb") as stream:
                wanted = [("image_id", "in", sorted(here)), ("source", "==", WEAK)]
                table = pq.read_table(stream, filters=wanted)
            found |= {row["image_id"]: row for row in table.to_pylist()}
        return found


class RecordsById:
    """Records of which one asks for some pictures by id.  They stay an Arrow table."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.order = np.argsort(records.table["image_id"].to_numpy(), kind="stable")
        self.ids = records.table["image_id"].to_numpy()[self.order]

    def some(self, image_ids: list[int]) -> dict[int, Record]:
        """The records of those ids that are there."""
        if not len(self.ids):
            return {}
        places = np.searchsorted(self.ids, image_ids).clip(max=len(self.ids) - 1)
        known = self.ids[places] == np.asarray(image_ids, dtype=np.int64)
        chosen = self.records.select(self.order[places[known]].tolist())
        return {record.image_id: record for record in chosen}


def read_label_numbers(folder: UPath, truth: RecordsById | None) -> LabelNumbers:
    """Numbers of all points of weak pictures in the label files of `folder`; none where there are
    no files."""
    files = tuple(sorted(folder.glob("*.parquet"), key=str))
    parts = [np.zeros((0, 7))]
    for index, file in enumerate(files):
        for some in pieces(file, COLUMNS):
            rows = [row for row in some if row["source"] == WEAK]
            records = truth.some([row["image_id"] for row in rows]) if truth else {}
            lines = [
                (index, *line)
                for row in rows
                for line in measure(row, records.get(row["image_id"]))
            ]
            parts.append(np.array(lines, dtype=np.float64).reshape(-1, 7))
    table = np.concatenate(parts)
    file, image_id, item, level = table[:, :4].astype(np.int64).T
    return LabelNumbers(
        files=files,
        file=file,
        image_id=image_id,
        item=item,
        level=level,
        score=table[:, 4],
        rough_iou=table[:, 5],
        refined_iou=table[:, 6],
    )


def pieces(file: UPath, columns: list[str]) -> Iterator[list[dict[str, Any]]]:
    """The rows of a Parquet file, a few at a time."""
    with file.open("rb") as stream:
        for batch in pq.ParquetFile(stream).iter_batches(ROWS_AT_A_TIME, columns=columns):
            yield batch.to_pylist()


def measure(row: dict[str, Any], truth: Record | None) -> Iterator[tuple[float, ...]]:
    """Image id, item, level, score, IoU of the rough mask, IoU of the refined one of each point."""
    rough, refined = (compare_row(row, column, truth) for column in ("rough", "refined"))
    for item, annotation in enumerate(row["annotation_id"] or []):
        has_mask = row["refined"][item] is not None
        score = row["refined_score"][item] if has_mask else None
        yield (
            row["image_id"],
            item,
            row["level"][item] if has_mask else -1,
            np.nan if score is None else score,
            iou_or_nan(rough, annotation),
            iou_or_nan(refined, annotation),
        )
