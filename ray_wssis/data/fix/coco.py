"""A COCO file written again without the mistakes that have one obvious remedy.

What is ambiguous stays as it is: masks in the wrong place, images that share an id, a mask that is
neither polygons nor an RLE.  The input is never changed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from upath import UPath

from ray_wssis.data.check.coco import check_coco
from ray_wssis.data.coco.file import check_lists, parse_json
from ray_wssis.data.coco.write import compact
from ray_wssis.data.fix.fractions import fix_fractions
from ray_wssis.data.fix.ids import fix_class_ids, fix_doubles, fix_ids
from ray_wssis.data.fix.values import (
    Fix,
    fix_crowds,
    fix_lists,
    fix_names,
    fix_numbers,
    fix_outlines,
    fix_sizes,
)
from ray_wssis.data.problem import Problem
from ray_wssis.storage import locate, write_atomically

# In this order: later ones rely on lists, and on ids that are numbers.
STEPS: tuple[Callable[[dict[str, Any]], list[Fix]], ...] = (
    fix_numbers,
    fix_doubles,
    fix_ids,
    fix_class_ids,
    fix_crowds,
    fix_outlines,
    fix_names,
)


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """Result of fixing a file."""

    fixes: list[Fix]
    left: list[Problem]  # errors of the file that was written


def fix_file(source: str, out: str, images: str | None = None) -> Fixed:
    """Write the COCO file `source` to `out`, fixed; missing sizes are read in `images`.

    Raises ValueError when `source` is no COCO file even then, or when `out` exists.
    """
    if locate(source) == locate(out):
        raise ValueError(
            f"{out} is the input, which is never changed; choose another file to write"
        )
    if UPath(out).exists():
        raise ValueError(f"{out} already exists and is not replaced; choose another file to write")
    data = parse_json(source)
    fixes = fix_lists(data) if isinstance(data, dict) else []
    check_lists(data, source)
    for step in STEPS:
        fixes += step(data)
    fixes += fix_sizes(data, images) + fix_fractions(data)
    path = UPath(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, compact(data).encode())
    left = [problem for problem in check_coco(data) if problem.severity == "error"]
    return Fixed(fixes=fixes, left=left)
