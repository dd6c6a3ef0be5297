"""A small COCO file in memory."""

from typing import Any

SQUARE = [[1, 1, 3, 1, 3, 3, 1, 3]]


def coco(*annotations: dict[str, Any]) -> dict[str, Any]:
    """One 6 x 4 image with these annotations, which need not repeat the ids."""
    return {
        "images": [{"id": 5, "file_name": "a.png", "width": 6, "height": 4}],
        "annotations": [
            {"id": i + 1, "image_id": 5, "category_id": 9} | entry
            for i, entry in enumerate(annotations)
        ],
        "categories": [{"id": 9, "name": "dog"}, {"id": 2, "name": "cat"}],
    }
