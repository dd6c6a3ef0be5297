"""A contact sheet of the pseudo masks that a person should look at first, as one HTML file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from upath import UPath

from ray_wssis.artifacts import code_version
from ray_wssis.data.records import Object, Record
from ray_wssis.instance.label_row import REFINED
from ray_wssis.instance.sheets import draw_tile
from ray_wssis.report.template import render
from ray_wssis.storage import write_atomically


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """One pseudo mask that is probably poor."""

    row: dict[str, Any]  # of the labels, about the whole image
    item: int  # place of the mask in the lists of the row
    expected_iou: float | None
    masks: str = REFINED  # the column of the row whose masks are used

    @property
    def label(self) -> int:
        return int(self.row["label"][self.item])

    @property
    def flags(self) -> list[str]:
        return list(self.row["flags"][self.item])

    def record(self) -> Record:
        """Record of the image with this object alone and its mask."""
        return Record(
            image_id=self.row["image_id"],
            file=self.row["file"],
            width=self.row["width"],
            height=self.row["height"],
            objects=(
                Object(
                    annotation_id=self.row["annotation_id"][self.item],
                    label=self.label,
                    mask=self.row[self.masks][self.item],
                    point=(self.row["x"][self.item], self.row["y"][self.item]),
                ),
            ),
        )


def write_review(
    file: UPath, suspects: Sequence[Suspect], names: Sequence[str], threshold: float
) -> None:
    """Write the page of `suspects`, worst first; `names` are those of the classes.

    Masks with an expected IoU below `threshold` are poor.  Only the images of these masks are
    read; if one cannot be read any more, the outlines are still drawn.
    """
    tiles = []
    for rank, suspect in enumerate(suspects, start=1):
        point = suspect.row["annotation_id"][suspect.item]
        name = f"{rank}. {names[suspect.label]}, point {point}"
        tiles.append(draw_tile(suspect.row, suspect.item, name, judge(suspect)))
    expected = [x.expected_iou for x in suspects if x.expected_iou is not None]
    html = render(
        "review",
        "ray_wssis.instance",
        tiles=tiles,
        is_calibrated=bool(expected),
        num_poor=sum(value < threshold for value in expected),
        threshold=threshold,
        code_version=code_version(),
    )
    write_atomically(file, html.encode())


def judge(suspect: Suspect) -> str:
    """Expected IoU and flags, as in `0.12, duplicate`."""
    known = [] if suspect.expected_iou is None else [f"{suspect.expected_iou:.2f}"]
    return ", ".join([*known, *suspect.flags])
