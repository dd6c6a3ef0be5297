"""Labels beside the class maps that people drew."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray

from ray_wssis.data.class_maps.png import decode
from ray_wssis.data.records import Records

Row = Mapping[str, Any]
Labels = UInt8[NDArray[np.uint8], "H W"]


def beside_truth(rows: Iterable[Row], truth: Records) -> Iterator[tuple[Row, Labels, Labels]]:
    """Yield each row with the true labels and its own.

    Images that failed, and those whose class map nobody knows, are left out.
    """
    places = {image_id: i for i, image_id in enumerate(truth.table["image_id"].to_pylist())}
    for row in rows:
        place = None if row["error"] is not None else places.get(row["image_id"])
        class_map = None if place is None else truth[place].class_map
        if class_map is not None:
            yield row, decode(class_map), decode(row["class_map"])
