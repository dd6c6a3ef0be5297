"""The data of a semantic run: strong, weak and validation images, as records.

Strong images have a class map, weak ones only tags: the labels of all classes that they may show,
background included.  Some of the strong images are kept from training, to audit with; all of them
where tags alone teach.  With `data.sparse` all training images have sparse labels instead.
"""

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from upath import UPath

from ray_wssis.artifacts import Artifact, Workspace
from ray_wssis.data.class_maps.tags import Tags, with_noise
from ray_wssis.data.images.shared import warn_of_shared_images
from ray_wssis.data.records import Record, Records
from ray_wssis.run import Run
from ray_wssis.semantic.counts import counts
from ray_wssis.semantic.draw import draw_audit
from ray_wssis.semantic.sources import Gathered, deciding_files, deciding_folders, gather
from ray_wssis.semantic.sparse import cut_sparse, sparse_counts
from ray_wssis.semantic.split_checks import check_parts, check_sparse, check_tags_alone
from ray_wssis.semantic.split_config import SemanticDataConfig
from ray_wssis.storage import hash_file, locate, write_json

STRONG = "strong.parquet"
TAUGHT = "taught.parquet"  # the strong images that networks learn from
AUDIT = "audit.parquet"  # the other strong images
WEAK = "weak.parquet"
SPARSE = "sparse.parquet"  # training images with sparse class maps
WEAK_TRUTH = "weak_truth.parquet"  # the weak or sparse images with the class maps they hide
ALL = "all.parquet"  # all images to learn from, audit ones included, with all true class maps
VALIDATION = "val.parquet"

logger = logging.getLogger(__name__)


def split(run: Run, config: SemanticDataConfig) -> Artifact:
    """Split the data into strong, weak and validation records, and a manifest of counts.

    The strong records are there a second time in two parts, taught and audit.  With `data.sparse`
    there are sparse records in place of strong and weak ones.  If the class maps of all weak or
    sparse images are known, `weak_truth.parquet` and `all.parquet` are there too: only to measure,
    and nothing but an upper bound learns from them.
    """
    made_from = {
        "data": config,
        "files": {file: hash_file(file) for file in deciding_files(config)},
        "class_maps": None if config.folder is None else listing(config.folder.class_maps),
        "sparse_labels": {folder: listing(folder) for folder in deciding_folders(config)},
    }
    weak = "points or scribbles" if config.is_sparse else "tags"
    return run.stage(
        "split",
        f"Split the data into class maps and {weak}",
        made_from,
        lambda stage: write_parts(config, run.config.seed, stage),
    )


def write_parts(config: SemanticDataConfig, seed: int, stage: Workspace) -> None:
    parts = gather(config, seed, stage.folder)
    write = write_sparse if config.is_sparse else write_strong_and_weak
    write(config, parts, seed, stage)


def write_sparse(config: SemanticDataConfig, parts: Gathered, seed: int, stage: Workspace) -> None:
    """Write training images with sparse labels, and what else is known."""
    sparse, truth, audit = cut_sparse(config, parts, seed)
    check_sparse(sparse, parts.validation)
    warn_of_shared_images({"sparse": sparse, "audit": audit, "validation": parts.validation})
    for name, records in ((SPARSE, sparse), (AUDIT, audit), (VALIDATION, parts.validation)):
        records.write(stage / name)
    _write_truth(audit, truth, stage)
    how = config.sparse or config.sparse_labels
    assert how is not None
    manifest = {
        "seed": seed,
        "how": how.model_dump(mode="json"),
        "lists": dict(described(config)),
        "sparse": sparse_counts(sparse),
        "audit": counts(audit),
        "validation": counts(parts.validation),
    }
    write_json(stage / f"{config.name}_{config.sparse_kind}_split.json", manifest)


def write_strong_and_weak(
    config: SemanticDataConfig, parts: Gathered, seed: int, stage: Workspace
) -> None:
    """Write images with class maps and images with tags, and what else is known."""
    strong, truth, validation = parts.strong, parts.weak, parts.validation
    weak = as_weak(truth, parts.said, config.tag_noise, seed)
    if config.tags_alone:
        check_tags_alone(weak, validation)
    else:
        check_parts(parts, weak)
    warn_of_shared_images({"strong": strong, "weak": weak, "validation": validation})
    taught, audit = draw_audit(strong, config.audit, seed)
    if config.audit and not len(audit):
        logger.warning(
            "none of the %d strong images can be spared for the audit, so nothing will tell how "
            "good the pseudo labels are: more images with class maps are needed",
            len(strong),
        )
    for name, records in (
        (STRONG, strong),
        (TAUGHT, taught),
        (AUDIT, audit),
        (WEAK, weak),
        (VALIDATION, validation),
    ):
        records.write(stage / name)
    _write_truth(strong, truth, stage)
    manifest = {
        "masks": len(strong),
        "seed": seed,
        "tag_noise": config.tag_noise,
        "lists": dict(described(config)),
        "strong": counts(strong),
        "taught": counts(taught),
        "audit": counts(audit),
        "weak": counts(weak),
        "validation": counts(validation),
    }
    write_json(stage / f"{config.name}_{len(strong)}_split.json", manifest)


def _write_truth(known: Records, truth: Records, stage: Workspace) -> None:
    """Write the class maps that images hide, alone and after those `known`, if all are there."""
    if all(record.class_map is not None for record in truth):
        truth.write(stage / WEAK_TRUTH)
        Records.from_rows([*known, *truth], truth.categories).write(stage / ALL)


def as_weak(records: Records, said: Tags | None, tag_noise: float, seed: int) -> Records:
    """Turn records into weak ones: without class maps, with the tags that somebody `said`.

    Without those the tags of the class maps stay.  Either get mistakes.
    """

    def forgotten(record: Record) -> Record:
        if said is not None:
            record = replace(record, tags=said.get(record.image_id))
        return replace(with_noise(record, records.categories, tag_noise, seed), class_map=None)

    return Records.from_rows(map(forgotten, records), records.categories)


def described(config: SemanticDataConfig) -> Iterator[tuple[str, dict[str, Any]]]:
    """Describe each file that decides the split: its name, hash and lines."""
    for file in deciding_files(config):
        lines = UPath(file).read_bytes().splitlines()
        num_lines = sum(bool(line.strip()) for line in lines)
        yield UPath(file).name, {"sha256": hash_file(file), "num_lines": num_lines}


def listing(folder: str) -> str:
    """Return a hash of the names and sizes of all files in a folder."""
    root = locate(folder)
    root.fs.invalidate_cache()
    top = root.path.rstrip("/")
    files = root.fs.find(root.path, detail=True)
    entries = sorted((path.removeprefix(top), entry["size"]) for path, entry in files.items())
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()
