"""A split of a data set with class maps as files: lists, a table of tags and a manifest.

`NAME_16_strong.txt` names the 16 images that keep their class maps, `NAME_16_tags.csv` holds the
tags of the weak ones, `NAME_16_val.txt` names the validation images.  A run takes them as
`data.strong`, `data.tags` and `data.validation`.
"""

import csv
import io
from dataclasses import dataclass
from typing import Any

from upath import UPath

from ray_wssis.data.builtin.semantic_shapes import CLASS_MAPS, CLASSES, IMAGES
from ray_wssis.data.class_maps.trees import kind_of
from ray_wssis.data.class_maps.voc import lists_in
from ray_wssis.data.records import Record, Records
from ray_wssis.semantic.counts import counts
from ray_wssis.semantic.sources import gather
from ray_wssis.semantic.split import as_weak, described
from ray_wssis.semantic.split_checks import check_parts
from ray_wssis.semantic.split_config import (
    CityscapesConfig,
    FolderConfig,
    SemanticDataConfig,
    VocConfig,
)
from ray_wssis.storage import Place, hash_file, locate, write_json


@dataclass(frozen=True, kw_only=True)
class SplitFiles:
    """Files of a split, and the content of its manifest."""

    strong: UPath
    tags: UPath
    validation: UPath
    manifest: dict[str, Any]


def split_tree(
    root: Place, out: Place, *, masks: int, seed: int, tag_noise: float = 0
) -> SplitFiles:
    """Split a tree that `kind_of` knows into the folder `out`.

    Raises ValueError for a tree that cannot be read or split.
    """
    top, folder = locate(root), locate(out)
    config = tree_config(root, masks, tag_noise)
    folder.mkdir(parents=True, exist_ok=True)
    parts = gather(config, seed, folder)
    weak = as_weak(parts.weak, parts.said, tag_noise, seed)
    check_parts(parts, weak)
    start = f"{config.name}_{len(parts.strong)}"
    strong, tags, validation = (
        folder / f"{start}_{end}" for end in ("strong.txt", "tags.csv", "val.txt")
    )
    for file, records in ((strong, parts.strong), (validation, parts.validation)):
        lines = "".join(f"{relative(record, top)}\n" for record in records)
        file.write_text(lines, encoding="utf-8")
    tags.write_text(table_of(weak, top), encoding="utf-8")
    manifest = {
        "masks": len(parts.strong),
        "seed": seed,
        "tag_noise": tag_noise,
        "lists": dict(described(config)),
        "strong": {"file": strong.name, "sha256": hash_file(strong)} | counts(parts.strong),
        "weak": {"file": tags.name, "sha256": hash_file(tags)} | counts(weak),
        "validation": {"file": validation.name, "sha256": hash_file(validation)}
        | counts(parts.validation),
    }
    write_json(folder / f"{start}_split.json", manifest)
    return SplitFiles(strong=strong, tags=tags, validation=validation, manifest=manifest)


def tree_config(root: Place, masks: int, tag_noise: float) -> SemanticDataConfig:
    """Make the configuration of a split of a tree."""
    top = locate(root)
    values: dict[str, Any] = {"name": top.name, "masks": masks, "tag_noise": tag_noise}
    match kind_of(root):
        case "voc":
            weak = "trainaug" if "trainaug" in lists_in(root) else "train"
            return SemanticDataConfig(voc=VocConfig(root=str(top), weak=weak), **values)
        case "cityscapes":
            return SemanticDataConfig(cityscapes=CityscapesConfig(root=str(top)), **values)
        case "folder":
            folder = FolderConfig(
                images=str(top / IMAGES),
                class_maps=str(top / CLASS_MAPS),
                classes=str(top / CLASSES),
            )
            return SemanticDataConfig(folder=folder, **values)


def table_of(weak: Records, top: UPath) -> str:
    """Write the tags of images as a table."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["file", "tags"])
    for record in weak:
        if record.tags is not None:
            names = [weak.categories[label].name for label in record.tags]
            table.writerow([relative(record, top), ";".join(names)])
    return text.getvalue()


def relative(record: Record, top: UPath) -> str:
    """Return the file of an image, relative to its tree."""
    return record.file.removeprefix(f"{top}".rstrip("/") + "/")
