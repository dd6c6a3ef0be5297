"""Clicks on objects choose among the instances of an image: tags tell what is there, clicks where.

The instance under a click takes the click's class; one under several clicks is shared out, each
pixel to the nearest of them.  Instances that nobody clicked are dropped.  Images without a click
keep all of theirs: they have tags alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray

from ray_wssis import masks
from ray_wssis.artifacts import Artifact
from ray_wssis.data.points.draw import with_points
from ray_wssis.data.points.kind import PointKind
from ray_wssis.data.records import Object, Point, Record, Records

COUNTED = ("clicks", "lost_clicks", "dropped_instances")
CLICKED = "clicked.parquet"  # images with the points of their objects, in labels of the split

Clicks = Mapping[int, Sequence[Object]]  # by image id
Mask = Bool[NDArray[np.bool_], "H W"]


def only_points(record: Record) -> Record:
    """Keep the points of a record's objects alone; objects with a mask and without a point get one
    where a careful annotator would click."""
    pointed = with_points(record, PointKind.CENTER, seed=0)  # the middle is no matter of chance
    objects = (replace(obj, mask=None) for obj in pointed.objects if obj.point and not obj.crowd)
    return replace(record, objects=tuple(objects), class_map=None, tags=None)


def read_clicks(objects: Artifact) -> Clicks:
    """Read the clicks on the images of a run; none if it does not ask for them."""
    if not (objects / CLICKED).exists():
        return {}
    return {record.image_id: record.objects for record in Records.read(objects / CLICKED)}


def pick(row: Mapping[str, Any], clicks: Sequence[Object]) -> dict[str, Any]:
    """Return a row of instances with those under the clicks on its image, the surest first.

    It also counts `clicks`, `lost_clicks`, which hit no instance, and `dropped_instances`.
    """
    if not clicks or row["error"] is not None:
        return dict(row)
    size = row["height"], row["width"]
    hits: dict[int, list[Object]] = {}
    for click in clicks:
        for place, mask in enumerate(row["instance_mask"]):  # no pixel is of two instances
            if click.point is not None and masks.contains(mask, *size, click.point):
                hits.setdefault(place, []).append(click)
    picked = [
        (click.label, row["instance_score"][place], masks.encode(mask))
        for place, own in sorted(hits.items())
        for click, mask in share_out(masks.decode(row["instance_mask"][place], *size), own)
    ]
    labels, scores, found = zip(*picked, strict=True) if picked else ((), (), ())
    return dict(row) | {
        "instance_label": list(labels),
        "instance_score": list(scores),
        "instance_mask": list(found),
        "clicks": len(clicks),
        "lost_clicks": len(clicks) - sum(map(len, hits.values())),
        "dropped_instances": len(row["instance_mask"]) - len(hits),
    }


def share_out(mask: Mask, clicks: Sequence[Object]) -> list[tuple[Object, Mask]]:
    """Give each pixel of a mask to the nearest of the clicks in it; every click has some."""
    rows, columns = np.nonzero(mask)
    away = np.stack([distance(click.point or (0, 0), rows, columns) for click in clicks])
    nearest = away.argmin(axis=0)
    shares = []
    for place, click in enumerate(clicks):
        own = np.zeros_like(mask)
        own[rows[nearest == place], columns[nearest == place]] = True
        if own.any():  # clicks on the same pixel are one
            shares.append((click, own))
    return shares


def distance(point: Point, rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[Any]:
    """Return the squared distance of pixels from a point (x, y)."""
    x, y = point
    squared: NDArray[Any] = (rows + 0.5 - y) ** 2 + (columns + 0.5 - x) ** 2
    return squared
