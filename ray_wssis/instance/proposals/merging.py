"""Images without any label and their proposals become images to learn from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np

from ray_wssis.data.records import Object, Records
from ray_wssis.instance.merging import Learnt, Merged, gathered
from ray_wssis.instance.proposals.choice import Choice
from ray_wssis.streaming.labeller import Row
from ray_wssis.streaming.table import RowsById


@dataclass(frozen=True, kw_only=True)
class Proposed:
    records: Records  # images without objects
    rows: RowsById
    choice: Choice
    lineage: Mapping[str, str]

    def merged(self, first_number: int) -> Iterator[Merged]:
        """Yield the images on which something is learnt, with ignore regions; their annotations
        are numbered from `first_number`.

        An image on which nothing is sure would teach nothing but background, and is left out.
        """
        numbers = count(first_number)
        for record in self.records:
            row = self.rows.get(record.image_id)
            if row is None or row["error"] is not None:
                continue
            learnt, ignored = self.choice.decide([row])
            if learnt.any():
                expected = self.choice.model.expected_iou(row)
                own = [
                    self.turned(row, i, next(numbers), expected[i], crowd=bool(ignored[i]))
                    for i in np.flatnonzero(learnt | ignored).tolist()
                ]
                yield gathered(replace(record, annotated=None), own)

    def turned(
        self, row: Row, i: int, number: int, expected: float | None, *, crowd: bool
    ) -> Learnt:
        """Turn proposal `i` into an object or an ignore region."""
        origin: dict[str, Any] = {**self.lineage, "proposed": round(row["class_score"][i], 4)}
        extra: dict[str, Any] = {"pseudo": origin}
        if expected is not None:
            extra["expected_iou"] = round(expected, 4)
        mask = row[self.choice.model.masks][i]
        obj = Object(annotation_id=number, label=row["label"][i], mask=mask, crowd=crowd)
        return Learnt(obj, extra)
