"""The remedy for outlines, boxes and points in fractions of the image: they become pixels.

Only where all of a kind in the file lie between 0 and 1, so that no pixel is taken for a fraction.
"""

from collections.abc import Iterator
from typing import Any

from ray_wssis.data.coco.fields import is_number, whole_number
from ray_wssis.data.coco.outlines import is_in_fractions
from ray_wssis.data.fix.values import Fix
from ray_wssis.data.images.sizes import lacks_size

Size = tuple[int, int]  # (height, width)
FEWEST = 2  # of a kind: one alone may be in the first pixel


def fix_fractions(data: dict[str, Any]) -> list[Fix]:
    """Turn fractions into pixels, for each of `segmentation`, `bbox` and `point` by itself."""
    sizes = dict(_sizes(data["images"]))
    fixes = []
    for key in ("segmentation", "bbox", "point"):
        found = [
            (entry, size, lists)
            for entry in data["annotations"]
            if isinstance(entry, dict)
            and (size := _size_of(entry, sizes)) is not None
            and (lists := _flat_lists(entry.get(key))) is not None
        ]
        if len(found) < FEWEST or not _are_fractions([(lists, size) for _, size, lists in found]):
            continue
        example = f"{found[0][0][key]!r:.40}"
        for entry, (height, width), lists in found:
            pixels = [
                [value * (height if i % 2 else width) for i, value in enumerate(flat)]
                for flat in lists
            ]
            entry[key] = pixels if key == "segmentation" else pixels[0]
        done = "multiplied by width and height of the image"
        fixes.append(
            Fix(cause=f"`{key}` in fractions", number=len(found), done=done, example=example)
        )
    return fixes


def _are_fractions(found: list[tuple[list[list[float]], Size]]) -> bool:
    """Tell whether all are fractions; some may be only 0 and 1, the corners of the image."""
    others = [lists for lists, size in found if not is_in_fractions(lists, *size)]
    return len(others) < len(found) and all(v in (0, 1) for x in others for part in x for v in part)


def _flat_lists(value: Any) -> list[list[float]] | None:
    """Return the flat lists of outlines, or the one of a box or a point; None for anything else."""
    if not isinstance(value, list) or not value:
        return None
    lists = value if isinstance(value[0], list) else [value]
    flat = [number for part in lists if isinstance(part, list) for number in part]
    is_flat = all(isinstance(part, list) and len(part) % 2 == 0 for part in lists)
    return lists if flat and is_flat and all(map(is_number, flat)) else None


def _sizes(images: list[Any]) -> Iterator[tuple[int, Size]]:
    """Yield the sizes that are known by image id."""
    for entry in images:
        if not isinstance(entry, dict) or lacks_size(entry):
            continue
        try:
            size = whole_number(entry, "height", ""), whole_number(entry, "width", "")
            yield whole_number(entry, "id", ""), size
        except ValueError:
            continue


def _size_of(entry: dict[str, Any], sizes: dict[int, Size]) -> Size | None:
    try:
        return sizes.get(whole_number(entry, "image_id", ""))
    except ValueError:
        return None
