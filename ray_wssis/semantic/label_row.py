"""A row of semantic labels: a class and a confidence for every pixel of one image.

Networks draw in actors; `complete` runs in CPU processes that import no torch.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ray_wssis.data.class_maps.png import UNKNOWN, decode, encode
from ray_wssis.data.records import Record

PER_HALVING = 12  # levels of certainty, each time that the chance of a mistake is halved
UNSURE = 0.7  # probability below which a pixel counts as unsure
SIGNALS = ("confidence_mean", "unsure_share", "least_confidence", "missing_tags")

SCHEMA = pa.schema(
    [
        ("image_id", pa.int64()),
        ("file", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("class_map", pa.binary()),  # PNG [height, width] of labels
        ("confidence", pa.binary()),  # PNG [height, width], probability of the label times 255
        ("confidence_mean", pa.float32()),  # of all pixels, 0..1
        ("unsure_share", pa.float32()),  # pixels of a probability below UNSURE, 0..1
        ("least_confidence", pa.float32()),  # of the class whose pixels are least sure, 0..1
        ("label", pa.list_(pa.int32())),  # of the classes that are drawn
        ("pixels", pa.list_(pa.int64())),  # of each of them
        ("missing_tags", pa.int32()),  # classes that the tags name and no pixel shows
        ("flags", pa.list_(pa.string())),
    ]
)
WITH_CERTAINTY = SCHEMA.append(
    pa.field("certainty", pa.binary())  # PNG [height, width], -PER_HALVING log2(1 - probability)
)


def begin_row(record: Record, tags: Sequence[int] | None) -> dict[str, Any]:
    """Begin the row of an image whose tags were given to the network, or None."""
    return {
        "image_id": record.image_id,
        "file": record.file,
        "width": record.width,
        "height": record.height,
        "tags": tags,
        "annotated": None,
    }


def complete(row: dict[str, Any]) -> dict[str, Any]:
    """Encode the drawn pixels of a row, and add what they say about their own quality.

    It comes with `drawn_labels` and `drawn_confidence`, [H, W] uint8, perhaps `drawn_certainty`,
    `tags`, or None, and `annotated`, the class map of pixels that keep their label, or None.  Those
    say nothing about the quality of the others: signals are of what was drawn, as on audit images.
    """
    labels, confidence = row.pop("drawn_labels"), row.pop("drawn_confidence")
    present, place, pixels = np.unique(labels, return_inverse=True, return_counts=True)
    sums = np.bincount(place.ravel(), weights=confidence.ravel())
    by_class = sums / pixels / 255
    tags = row.pop("tags")
    if (certainty := row.pop("drawn_certainty", None)) is not None:
        row["certainty"] = encode(certainty)
    missing = 0 if tags is None else len(set(tags) - set(present.tolist()))
    signals = {
        "confidence_mean": float(confidence.mean()) / 255,
        "unsure_share": float((confidence < 255 * UNSURE).mean()),
        "least_confidence": float(by_class.min()),
        "missing_tags": missing,
        "flags": ["tag missing"] if missing else [],
    }
    if (annotated := row.pop("annotated")) is not None:
        given = decode(annotated)
        labels = np.where(given == UNKNOWN, labels, given)
        confidence = np.where(given == UNKNOWN, confidence, 255).astype(np.uint8)
        present, pixels = np.unique(labels, return_counts=True)
    return (
        row
        | signals
        | {
            "class_map": encode(labels),
            "confidence": encode(confidence),
            "label": present.tolist(),
            "pixels": pixels.tolist(),
        }
    )
