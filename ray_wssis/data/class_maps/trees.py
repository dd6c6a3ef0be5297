"""Folders of a data set with class maps, recognised by what is in them."""

from typing import Literal

from ray_wssis.data.builtin.semantic_shapes import CLASS_MAPS, CLASSES, IMAGES
from ray_wssis.data.class_maps import cityscapes, voc
from ray_wssis.data.class_maps.cityscapes import read_cityscapes
from ray_wssis.data.class_maps.folder import read_folder
from ray_wssis.data.class_maps.voc import listed_names, read_voc
from ray_wssis.data.problem import Problems
from ray_wssis.data.records import Records
from ray_wssis.storage import Place, locate

NO_MAPS = ("test",)  # parts of VOC whose class maps are not published

Kind = Literal["voc", "cityscapes", "folder"]


def kind_of(root: Place) -> Kind:
    """Tell the kind of a tree.  Raises ValueError for a folder of no known kind."""
    folder = locate(root)
    if any((folder / maps).is_dir() for maps in voc.MAPS):
        return "voc"
    if (folder / cityscapes.MAPS).is_dir():
        return "cityscapes"
    if (folder / CLASS_MAPS).is_dir():
        return "folder"
    raise ValueError(
        f"{folder}: no data set with class maps; that is a tree of PASCAL VOC "
        f"({voc.IMAGES}, {voc.MAPS[0]}), of Cityscapes ({cityscapes.IMAGES}, {cityscapes.MAPS}), "
        f"or a folder with {IMAGES}, {CLASS_MAPS} and {CLASSES}"
    )


def read_tree(root: Place, problems: Problems) -> Records:
    """Read all images of a tree that belong to a list, or to a part with class maps."""
    folder = locate(root)
    match kind_of(root):
        case "voc":
            return _read_voc(root, problems)
        case "cityscapes":
            return read_cityscapes(root, problems)
        case "folder":
            classes = str(folder / CLASSES)
            return read_folder(folder / IMAGES, folder / CLASS_MAPS, classes, problems)


def _read_voc(root: Place, problems: Problems) -> Records:
    """Read the images of all lists, and report those that are learnt from and validated on."""
    lists = {name: listed_names(file) for name, file in voc.lists_in(root).items()}
    lists = {name: names for name, names in lists.items() if name not in NO_MAPS}
    if not lists:
        problems.add("error", "no list", str(root), f"no list in {voc.LISTS[0]}", "lists of names")
    validation = set(lists.get("val", []))
    for name in ("train", "trainaug"):
        both = [image for image in lists.get(name, []) if image in validation]
        if both:
            found = f"{len(both)} of its {len(lists[name])} images are in val too, {both[0]} first"
            problems.add("warning", "lists overlap", f"list {name}", found, "no image in both")
    names = dict.fromkeys(image for names in lists.values() for image in names)
    return read_voc(root, list(names), problems)
