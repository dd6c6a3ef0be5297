"""Data sets with class maps, for the commands of `wssis data`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table
from upath import UPath

from ray_wssis.storage import locate

if TYPE_CHECKING:
    from ray_wssis.data.problem import Problem
    from ray_wssis.data.sparse.config import SparseConfig, SparseLabelsConfig


def is_tree(place: str | None) -> bool:
    """Tell whether a place is a folder, which no COCO file is."""
    return place is not None and locate(place).is_dir()


def find_problems(
    annotations: str | None,
    images: str | None,
    class_maps: str | None,
    classes: str | None,
    tags: str | None,
    sparse: "SparseLabelsConfig | None",
) -> "list[Problem]":
    """List the problems of a COCO file, of a tree, or of folders of images and class maps.

    Raises ValueError for arguments that do not go together, and for what cannot be read at all.
    """
    from ray_wssis.data.class_maps.check import check_folder, check_painted, check_tree

    if class_maps is not None:
        if annotations is not None or images is None or classes is None:
            raise ValueError("--class-maps goes with --images and --classes, and without a file")
        listed = classes if UPath(classes).is_file() else classes.split(",")
        return check_folder(images, class_maps, listed, tags, sparse)
    if annotations is None:
        raise ValueError("give a COCO file, the folder of a data set, or --class-maps")
    if is_tree(annotations):
        if images is not None or classes is not None:
            raise ValueError(f"{annotations} is a folder: leave out --images and --classes")
        return check_tree(annotations, tags, sparse)
    if classes is not None or tags is not None:
        raise ValueError("--classes and --tags are for class maps; a COCO file has its own")
    return check_painted(annotations, images, sparse)


def split_class_maps(
    root: str,
    out: str,
    *,
    masks: int | None,
    tag_noise: float,
    seed: int,
    sparse: "SparseConfig | None",
) -> Table:
    """Split a tree; return a table of what was written.

    Raises ValueError for a tree that cannot be split, or without a number of masks or sparse.
    """
    from ray_wssis.semantic.split_files import split_sparse, split_tree

    if sparse is not None:
        if masks is not None or tag_noise:
            raise ValueError(
                "with --sparse no training image keeps its class map, and its labels are its tags: "
                "leave out --masks and --tag-noise"
            )
        drawn = split_sparse(root, out, sparse=sparse, seed=seed)
        return _table(drawn.manifest, {"sparse": drawn.maps, "validation": drawn.validation})
    if masks is None:
        raise ValueError(
            f"{root} is a folder: --masks says how many images keep their class maps, --sparse "
            "what is drawn on all of them instead"
        )
    files = split_tree(root, out, masks=masks, seed=seed, tag_noise=tag_noise)
    parts = {"strong": files.strong, "weak": files.tags, "validation": files.validation}
    return _table(files.manifest, parts)


def _table(manifest: Mapping[str, Any], parts: Mapping[str, UPath]) -> Table:
    """Compose a table of files and the number of their images."""
    table = Table("", "file", "images")
    for part, file in parts.items():
        table.add_row(part, escape(str(file)), f"{manifest[part]['num_images']}")
    return table
