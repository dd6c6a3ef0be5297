"""Pictures on their way through Ray Data: files are read and resized in CPU tasks, and come to the
actors as rows of an Arrow table.

Imported by every decoding process, so nothing here takes long to import.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa

from ray_wssis.data.images import ImageError, read_image, resize_image, shortest_edge_size
from ray_wssis.data.records import Record

SOURCE = "path"  # the column in which Ray Data tells the file that a row comes from
PIXELS = pa.schema(
    [
        ("pixels", pa.large_binary()),  # [height, width, 3] uint8 of the original picture
        ("network_pixels", pa.large_binary()),  # the same at network size; null: equal
        ("network_height", pa.int32()),
        ("network_width", pa.int32()),
        ("error", pa.string()),  # why there are no pixels
    ]
)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One decoded picture and what is known about it."""

    record: Record
    source: str  # name of its records file without the ending: strong, weak, val
    image: np.ndarray  # [H, W, 3] uint8, original size
    network_image: np.ndarray  # [h, w, 3] uint8
    error: str | None = None  # then both are empty


def decode_rows(table: pa.Table, network_size: tuple[int, int]) -> pa.Table:
    """Add the pixels of each picture; a picture that cannot be read gets a reason instead."""
    added = [decode_row(row, network_size) for row in table.to_pylist()]
    columns = pa.Table.from_pylist(added, schema=PIXELS)
    for field in PIXELS:
        table = table.append_column(field, columns[field.name])
    return table.replace_schema_metadata(None)


def decode_row(row: dict[str, Any], network_size: tuple[int, int]) -> dict[str, Any]:
    try:
        image = read_image(row["file"], (row["height"], row["width"]))
    except ImageError as error:
        return {"error": str(error)}
    shorter, longest = network_size
    height, width = shortest_edge_size(row["height"], row["width"], shorter, longest)
    small = resize_image(image, height, width)
    return {
        "pixels": image.tobytes(),
        "network_pixels": None if small.shape == image.shape else small.tobytes(),
        "network_height": height,
        "network_width": width,
    }


def read_picture(row: dict[str, Any]) -> Picture:
    record, source = Record.from_row(row), PurePosixPath(row[SOURCE]).stem
    if row["error"] is not None:
        nothing = np.zeros((0, 0, 3), dtype=np.uint8)
        return Picture(
            record=record, source=source, image=nothing, network_image=nothing, error=row["error"]
        )
    image = np.frombuffer(row["pixels"], dtype=np.uint8).reshape(record.height, record.width, 3)
    small = image
    if row["network_pixels"] is not None:
        small = np.frombuffer(row["network_pixels"], dtype=np.uint8)
        small = small.reshape(row["network_height"], row["network_width"], 3)
    return Picture(record=record, source=source, image=image, network_image=small)
