"""A split as files, named like the published ones, with a manifest of how it was made.

`NAME_10p_s.json` holds the strong images, `NAME_10p_w.json` the weak ones and
`NAME_10p_split.json` the seed, the hashes and the counts.
"""

import json
import logging
from dataclasses import dataclass
from typing import Any

from upath import UPath

from ray_wssis.data.coco.crowds import Crowds
from ray_wssis.data.coco.read import read_coco
from ray_wssis.data.coco.write import write_coco
from ray_wssis.data.points.kind import PointKind
from ray_wssis.data.records import Records
from ray_wssis.data.split.checks import check_points, check_teaches
from ray_wssis.data.split.cut import (
    Split,
    classes_without_masks,
    count_classes,
    split_records,
)
from ray_wssis.storage import hash_file

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SplitFiles:
    """Files of a split, and the content of its manifest."""

    strong: UPath
    weak: UPath
    manifest_file: UPath
    manifest: dict[str, Any]


def split_name(stem: str, percent: float) -> str:
    """Name a split as the published files do: `instances_train2017_5p`."""
    return f"{stem}_{percent:g}p"


def split_file(
    annotations: str | UPath,
    out: str | UPath,
    *,
    percent: float,
    seed: int,
    point_kind: PointKind | str,
    crowds: Crowds = Crowds.IGNORE,
    images: str | UPath = "",
) -> SplitFiles:
    """Split a COCO file into the folder `out`; file names of images stay as they are.

    With the folder `images`, names are those of its files, and missing sizes are read from them.
    Raises ValueError for a file that cannot be read or split.
    """
    source = UPath(annotations)
    records = read_coco(source, images, point_suffices=True, crowds=crowds)
    split = split_records(records, percent, seed, point_kind)
    check_teaches(split.strong)
    check_points(split.weak)
    made_how = {
        "percent": percent,
        "seed": seed,
        "point_kind": str(PointKind(point_kind)),
        "input": {"file": source.name, "sha256": hash_file(source)},
    }
    return write_split(split, UPath(out), split_name(source.stem, percent), made_how, images)


def write_split(
    split: Split, folder: UPath, name: str, made_how: dict[str, Any], images: str | UPath = ""
) -> SplitFiles:
    """Write both parts and a manifest: `made_how`, then hashes and counts of what was written.

    A class that no strong mask shows is logged as a warning and listed in the manifest.  File
    names of images become relative to `images`.
    """
    strong, weak = folder / f"{name}_s.json", folder / f"{name}_w.json"
    write_coco(split.strong, strong, images=images, info={"description": "masks and points"})
    write_coco(split.weak, weak, images=images, info={"description": "points only"})
    untaught = classes_without_masks(split.strong, split.weak)
    if untaught:
        logger.warning(
            "%d of %d classes have points but no strong mask, so a teacher cannot learn them: %s. "
            "Try another seed or a larger percentage",
            len(untaught),
            len(split.strong.categories),
            ", ".join(untaught),
        )
    manifest = made_how | {
        "strong": _describe(strong, split.strong),
        "weak": _describe(weak, split.weak),
        "classes_without_strong_mask": untaught,
    }
    manifest_file = folder / f"{name}_split.json"
    manifest_file.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return SplitFiles(strong=strong, weak=weak, manifest_file=manifest_file, manifest=manifest)


def _describe(file: UPath, records: Records) -> dict[str, Any]:
    return {"file": file.name, "sha256": hash_file(file)} | counts(records)


def counts(records: Records) -> dict[str, Any]:
    """Count images and objects, crowds left out, for a manifest."""
    per_class = count_classes(records)
    return {
        "num_images": len(records),
        "num_instances": sum(per_class.values()),
        "num_instances_per_class": per_class,
    }
