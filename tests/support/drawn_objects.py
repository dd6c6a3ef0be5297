"""A COCO file of rectangles, and what converters do to them."""

from collections.abc import Callable
from typing import Any

WIDTH, HEIGHT = 64, 48
# x, y, width, height of two objects in each of four images.
PLACES = [[(6, 9 + i, 14, 20), (34, 11 + i, 14, 16)] for i in range(4)]


def rectangle(x: float, y: float, across: float, down: float) -> list[float]:
    return [x, y, x + across, y, x + across, y + down, x, y + down]


def drawn(change: Callable[[dict[str, Any]], dict[str, Any]] = lambda entry: {}) -> dict[str, Any]:
    """Make four images of two classes; `change` gives new values of an annotation."""
    entries = [
        {
            "id": 2 * i + j + 1,
            "image_id": i + 1,
            "category_id": j + 1,
            "segmentation": [rectangle(*place)],
            "bbox": list(place),
            "area": place[2] * place[3],
        }
        for i, places in enumerate(PLACES)
        for j, place in enumerate(places)
    ]
    return {
        "images": [
            {"id": i + 1, "file_name": f"{i}.png", "width": WIDTH, "height": HEIGHT}
            for i in range(len(PLACES))
        ],
        "annotations": [entry | change(entry) for entry in entries],
        "categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}],
    }
