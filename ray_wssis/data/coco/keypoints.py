"""Keypoints as places of objects: in many tools, the only way to export a click in a COCO file.

`keypoints` is a flat list x, y, v, ...; v is 0 for a keypoint that is not labelled.
"""

from typing import Any

from ray_wssis.data.records import Point
from ray_wssis.masks import FARTHEST

FORM = "`keypoints` is a list x, y, v, ... with v 0 for what is not labelled"


def labelled_keypoints(annotation: dict[str, Any]) -> list[Point]:
    """List the labelled keypoints (x, y) of an annotation, wherever they lie.

    A single point may lack v, and each may be a list of its own.  Raises ValueError, naming the
    key, for anything else.
    """
    numbers = _flat_numbers(annotation.get("keypoints"))
    if len(numbers) == 2:
        return [(numbers[0], numbers[1])]
    if len(numbers) % 3:
        raise ValueError(f"{FORM}; found {len(numbers)} numbers")
    triples = zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)
    return [(x, y) for x, y, v in triples if v > 0]


def is_click(annotation: dict[str, Any]) -> bool:
    """Tell whether `keypoints` holds one point only: a click, which counts also beside a mask."""
    keypoints = annotation.get("keypoints")
    return isinstance(keypoints, list) and (
        (len(keypoints) in (2, 3) and not isinstance(keypoints[0], list))
        or (len(keypoints) == 1 and isinstance(keypoints[0], list))
    )


def _flat_numbers(keypoints: Any) -> list[float]:
    if not keypoints:
        return []
    if not isinstance(keypoints, list):
        raise ValueError(f"{FORM}; found {keypoints!r:.40}")
    numbers = []
    for entry in keypoints:
        for value in entry if isinstance(entry, list) else [entry]:
            if not isinstance(value, int | float) or not abs(value) <= FARTHEST:
                raise ValueError(f"{FORM}; found {value!r:.40}")
            numbers.append(float(value))
    return numbers
