"""A split of a data set with class maps as files: lists, a table of tags and a manifest.

`NAME_16_strong.txt` names the 16 images that keep their class maps, `NAME_16_tags.csv` holds the
tags of the weak ones, `NAME_16_val.txt` names the validation images.  A run takes them as
`data.strong`, `data.tags` and `data.validation`.

With sparse labels `NAME_points` is a folder of sparse class maps, with the values of the full ones
and 255 where nobody annotated, and `NAME_points_val.txt` names the validation images.  A run takes
them as `data.sparse_labels.labels` and `data.validation`.
"""

import csv
import io
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from posixpath import splitext
from typing import Any

import numpy as np
from upath import UPath

from ray_wssis.data.builtin.semantic_shapes import CLASS_MAPS, CLASSES, IMAGES
from ray_wssis.data.class_maps.png import UNKNOWN, decode, encode
from ray_wssis.data.class_maps.trees import kind_of
from ray_wssis.data.class_maps.voc import lists_in
from ray_wssis.data.records import Record, Records
from ray_wssis.data.sparse.config import SparseConfig
from ray_wssis.semantic.counts import counts
from ray_wssis.semantic.sources import gather
from ray_wssis.semantic.sparse import cut_sparse, sparse_counts
from ray_wssis.semantic.split import as_weak, described, listing
from ray_wssis.semantic.split_checks import check_parts, check_sparse
from ray_wssis.semantic.split_config import (
    CityscapesConfig,
    FolderConfig,
    SemanticDataConfig,
    VocConfig,
)
from ray_wssis.storage import Place, hash_file, locate, write_json


@dataclass(frozen=True, kw_only=True)
class SparseFiles:
    """Files of sparse labels, and the content of their manifest."""

    maps: UPath  # folder
    validation: UPath
    manifest: dict[str, Any]


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
    config = tree_config(root, masks=masks, tag_noise=tag_noise)
    folder.mkdir(parents=True, exist_ok=True)
    parts = gather(config, seed, folder)
    weak = as_weak(parts.weak, parts.said, tag_noise, seed)
    check_parts(parts, weak)
    start = f"{config.name}_{len(parts.strong)}"
    strong, tags, validation = (
        folder / f"{start}_{end}" for end in ("strong.txt", "tags.csv", "val.txt")
    )
    for file, records in ((strong, parts.strong), (validation, parts.validation)):
        file.write_text(list_of(records, top), encoding="utf-8")
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


def split_sparse(root: Place, out: Place, *, sparse: SparseConfig, seed: int) -> SparseFiles:
    """Draw sparse labels for a tree that `kind_of` knows into the folder `out`.

    Raises ValueError for a tree that cannot be read or split, and if the labels exist already.
    """
    top, folder = locate(root), locate(out)
    config = tree_config(root, sparse=sparse, audit=0)
    start = f"{config.name}_{sparse.kind}"
    maps, validation = folder / start, folder / f"{start}_val.txt"
    if maps.exists():
        raise ValueError(f"{maps} exists, and old labels would stay among new ones: remove it")
    folder.mkdir(parents=True, exist_ok=True)
    parts = gather(config, seed, folder)
    drawn = cut_sparse(config, parts, seed).sparse
    check_sparse(drawn, parts.validation)
    write_values(drawn, top, maps)
    validation.write_text(list_of(parts.validation, top), encoding="utf-8")
    manifest = {
        "seed": seed,
        "how": sparse.model_dump(mode="json"),
        "lists": dict(described(config)),
        "sparse": {"folder": maps.name, "listing": listing(str(maps))} | sparse_counts(drawn),
        "validation": {"file": validation.name, "sha256": hash_file(validation)}
        | counts(parts.validation),
    }
    write_json(folder / f"{start}_split.json", manifest)
    return SparseFiles(maps=maps, validation=validation, manifest=manifest)


def tree_config(root: Place, **values: Any) -> SemanticDataConfig:
    """Make the configuration of a split of a tree from the values of other keys."""
    top = locate(root)
    values = {"name": top.name} | values
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


def write_values(records: Records, top: UPath, folder: UPath) -> None:
    """Write class maps as PNGs of category ids, named like the images in their tree."""
    values = np.full(256, UNKNOWN, np.uint8)
    values[: len(records.categories)] = [category.id for category in records.categories]

    def write(record: Record) -> None:
        assert record.class_map is not None
        file = folder / f"{splitext(relative(record, top))[0]}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode(values[decode(record.class_map)]))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(write, records))


def list_of(records: Records, top: UPath) -> str:
    """Name images, one a line."""
    return "".join(f"{relative(record, top)}\n" for record in records)


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
