"""A small COCO file in memory."""

from typing import Any

SQUARE = [[1, 1, 3, 1, 3, 3, 1, 3]]


def one_class(*annotations: dict[str, Any], width: int = 64, height: int = 48) -> dict[str, Any]:
    """One image of one class with these annotations, which need not repeat the ids."""
    return {
        "images": [{"id": 5, "file_name": "a.png", "width": width, "height": height}],
        "annotations": [
            {"id": i + 1, "image_id": 5, "category_id": 9} | entry
            for i, entry in enumerate(annotations)
        ],
        "categories": [{"id": 9, "name": "dog"}],
    }


def coco(*annotations: dict[str, Any]) -> dict[str, Any]:
    """One 6 x 4 image of two classes with these annotations."""
    cat = {"id": 2, "name": "cat"}
    data = one_class(*annotations, width=6, height=4)
    return data | {"categories": [*data["categories"], cat]}
