"""Strokes and tags that people give the images of a folder, for class maps; each saved at once.

They are kept as a run reads them, in a folder: `class_maps/` with a gray PNG for each image that
was drawn on, 255 where nothing was drawn; `classes.txt`, the values in them; and `tags.csv`, all
classes of each image that is done.  `progress.json` beside them is for the page.
"""

import csv
import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from posixpath import splitext
from threading import RLock
from typing import Any

import numpy as np
from PIL import Image
from upath import UPath

from ray_wssis import masks
from ray_wssis.artifacts import hash_of_values
from ray_wssis.data.class_maps.classes import Classes, read_classes
from ray_wssis.data.class_maps.png import UNKNOWN, ClassMap, encode, present
from ray_wssis.data.class_maps.tags import BACKGROUND, read_rows
from ray_wssis.data.images.read import ImageError, read_size
from ray_wssis.data.records import Category, named
from ray_wssis.storage import files_under, locate, read_json, write_atomically, write_json
from wssis_serve.colours import hex_colors
from wssis_serve.errors import ApiError, unprocessable
from wssis_serve.labelling.images import ImagesToLabel, LastSaves
from wssis_serve.labelling.labels_file import State

CLASS_MAPS, CLASSES, TAGS, PROGRESS = "class_maps", "classes.txt", "tags.csv", "progress.json"
AGAIN_AFTER = 5.0  # seconds, when strokes could not be written


@dataclass(frozen=True, kw_only=True)
class Marked:
    """Progress with an image, and names of classes in their order."""

    state: State = State.OPEN
    tags: tuple[str, ...] = ()  # that a person ticked
    drawn: tuple[str, ...] = ()  # in its class map

    @property
    def shown(self) -> set[str]:
        """All classes of the image, as far as a person said; background goes without saying."""
        return {*self.tags, *self.drawn} - {BACKGROUND}


class StrokesQueue:
    """Images with their strokes and tags.  Only one process at a time may have a folder of them.

    Methods raise ApiError for mistakes of a caller.  They read files, so they may take a moment.
    """

    def __init__(
        self, images: str, labels: str | None, categories: Sequence[Category] = ()
    ) -> None:
        """Raises ValueError for a folder without images, or whose names differ in their suffix
        alone, and for a folder of labels that were made with other classes.
        """
        self.images = ImagesToLabel(images)
        self.folder = labels_folder(images, labels)
        self.check_stems()
        self.classes = classes_in(self.folder, categories)
        self.names = [category.name for category in self.classes.categories]
        self.marked = self.read_progress()
        self.saves = LastSaves()
        self.lock = RLock()

    def check_stems(self) -> None:
        owners: dict[str, str] = {}
        for name in self.images.names:
            other = owners.setdefault(stem(name), name)
            if other != name:
                raise ValueError(f"{other} and {name} need different names before their suffix")

    def read_progress(self) -> dict[str, Marked]:
        """Read how far images are, by name, also from files that somebody else put there."""
        known = {}
        if (file := self.folder / PROGRESS).exists():
            for name, entry in read_json(file)["images"].items():
                known[name] = Marked(
                    state=State(entry["state"]),
                    tags=self.in_order(entry["tags"]),
                    drawn=self.in_order(entry["drawn"]),
                )
        table = self.folder / TAGS
        is_given = not known and table.exists() and table.stat().st_size > 0
        for name, tags in (read_rows(str(table)) if is_given else {}).items():
            known[name] = Marked(state=State.DONE, tags=self.in_order(tags))
        maps = self.folder / CLASS_MAPS
        there = {stem(file) for file in (files_under(maps) if maps.exists() else [])}
        for name in self.images.names:
            if stem(name) in there and not known.get(name, Marked()).drawn:
                old = known.get(name, Marked())
                drawn = self.names_on(self.class_map(name))
                known[name] = Marked(state=old.state, tags=old.tags, drawn=drawn)
        return known

    def in_order(self, names: Iterable[str]) -> tuple[str, ...]:
        """Known classes in the order of the project, each once."""
        wanted = set(names)
        return tuple(name for name in self.names if name in wanted)

    def names_on(self, class_map: ClassMap | None) -> tuple[str, ...]:
        found = () if class_map is None else present(class_map)
        return tuple(self.names[label] for label in found)

    def map_file(self, name: str) -> UPath:
        return self.folder / CLASS_MAPS / f"{stem(name)}.png"

    def size(self, name: str) -> tuple[int, int]:
        """Height and width of an image that was drawn on."""
        with Image.open(io.BytesIO(self.map_file(name).read_bytes())) as image:
            return image.height, image.width

    def class_map(self, name: str) -> ClassMap | None:
        """Labels [H, W] of what was drawn on an image; None if nothing was."""
        file = self.map_file(name)
        if not file.exists():
            return None
        with Image.open(io.BytesIO(file.read_bytes())) as image:
            if image.mode != "L":
                raise ValueError(f"{file}: no gray PNG of 8 bits, as the page draws them")
            values = np.array(image)
        labels: ClassMap = self.classes.labels[values]
        return labels

    def overview(self) -> dict[str, Any]:
        """All images by name, and how far they are."""
        with self.lock:
            self.images.refresh()
            categories = self.classes.categories
            colors = hex_colors(len(categories))
            return {
                "id": str(self.folder),
                "classes": [
                    vars(category) | {"color": color}
                    for category, color in zip(categories, colors, strict=True)
                ],
                "images": [
                    {"name": name, "state": marked.state, "num_labels": len(marked.shown)}
                    for name in self.images.names
                    for marked in [self.marked.get(name, Marked())]
                ],
                "has_suggestions": False,
            }

    def image(self, name: str) -> str:
        """The place of an image."""
        with self.lock:
            return self.images.uri(name)

    def strokes(self, name: str) -> dict[str, Any]:
        """The strokes and tags of an image: the pixels of each class that was drawn."""
        with self.lock:
            self.images.uri(name)
            class_map = self.class_map(name)
            strokes = []
            for class_name in self.names_on(class_map):
                assert class_map is not None
                counts = masks.encode(class_map == self.names.index(class_name)).decode()
                segmentation = {"size": list(class_map.shape), "counts": counts}
                strokes.append({"class": class_name, "segmentation": segmentation})
            return self.shown(name, strokes)

    def shown(self, name: str, strokes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        marked = self.marked.get(name, Marked())
        found = {"state": marked.state, "tags": list(marked.tags), "strokes": list(strokes)}
        revision = hash_of_values(found).removeprefix("sha256:")[:16]
        return {"revision": revision, **found, "saves": self.saves.of(name)}

    def save_strokes(self, name: str, wanted: dict[str, Any]) -> dict[str, Any]:
        """Replace the strokes and tags of an image, unless somebody else did since they were read.

        `wanted` has `revision`, the one that was read, `state`, `tags`, `strokes`, `window`, a
        name of whoever saves, and `change`, which counts those of the image there.  Returns what
        is stored now.
        """
        with self.lock:
            file = self.images.uri(name)
            old = self.strokes(name)
            try:
                class_map = self.painted(wanted["strokes"], read_size(file))
            except ImageError as error:
                raise unprocessable(f"{name}: {error.found}; {error.wanted}") from error
            except ValueError as error:
                raise unprocessable(str(error)) from error
            unknown = [tag for tag in wanted["tags"] if tag not in self.names]
            if unknown:
                raise unprocessable(f"class {unknown[0]!r:.200} is none of {', '.join(self.names)}")
            marked = Marked(
                state=State(wanted["state"]),
                tags=self.in_order(wanted["tags"]),
                drawn=self.names_on(class_map),
            )
            if old["revision"] != wanted["revision"]:
                if self.is_stored(name, marked, class_map):
                    return old  # the answer was lost, and this is the second attempt
                theirs = f"{counted(self.marked.get(name, Marked()))} ({old['state']})"
                yours = f"labels of {counted(marked)}"
                raise self.saves.conflict(name, wanted["window"], theirs, yours)
            try:
                self.write(name, marked, class_map)
            except OSError as error:
                self.marked = self.read_progress()  # what is stored, for the next attempt
                text = f"the strokes of {name} could not be written: {error.strerror or error}"
                raise ApiError(503, "not_saved", text, AGAIN_AFTER) from error
            saved = self.strokes(name)
            self.saves.note(name, wanted["window"], wanted["change"], saved["revision"])
            return saved | {"saves": self.saves.of(name)}

    def painted(
        self, strokes: Sequence[Mapping[str, Any]], size: tuple[int, int]
    ) -> ClassMap | None:
        """Labels [H, W] of strokes on an image of `size` (height, width); None without a pixel.

        Raises ValueError for a class that is none, and for pixels of an image of another size.
        """
        class_map = np.full(size, UNKNOWN, np.uint8)
        for stroke in strokes:
            if stroke["class"] not in self.names:
                known = ", ".join(self.names)
                raise ValueError(f"class {stroke['class']!r:.200} is none of {known}")
            segmentation = stroke["segmentation"]
            if tuple(segmentation["size"]) != size:
                raise ValueError(
                    f"strokes are on {segmentation['size']} pixels, height and width, and the "
                    f"image has {list(size)}"
                )
            mask = masks.decode(segmentation["counts"].encode(), *size)
            class_map[mask] = self.names.index(stroke["class"])
        return class_map if (class_map != UNKNOWN).any() else None

    def is_stored(self, name: str, marked: Marked, class_map: ClassMap | None) -> bool:
        stored = self.class_map(name)
        same = stored is class_map is None or (
            stored is not None and class_map is not None and bool((stored == class_map).all())
        )
        return same and self.marked.get(name, Marked()) == marked

    def write(self, name: str, marked: Marked, class_map: ClassMap | None) -> None:
        """Write the files of an image; those that a page can do without come last."""
        if class_map is not None:
            values = np.full(256, UNKNOWN, np.uint8)
            values[: len(self.names)] = [category.id for category in self.classes.categories]
            self.map_file(name).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.map_file(name), encode(values[class_map]))
        elif self.map_file(name).exists():
            self.map_file(name).unlink()
        self.marked[name] = marked
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = [f"{category.id},{category.name}\n" for category in self.classes.categories]
        write_atomically(self.folder / CLASSES, "".join(lines).encode())
        progress = {
            image: {"state": each.state, "tags": list(each.tags), "drawn": list(each.drawn)}
            for image, each in self.marked.items()
        }
        write_json(self.folder / PROGRESS, {"images": progress})
        write_atomically(self.folder / TAGS, self.tag_lines().encode())

    def tag_lines(self) -> str:
        """The table of tags: every image that is done, with all its classes."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        for name in sorted(self.marked):
            if self.marked[name].state is State.DONE:
                table.writerow([name, ";".join(self.in_order(self.marked[name].shown))])
        return text.getvalue()

    def whole(self) -> tuple[bytes, str]:
        """An archive of the files that a run reads, and its media type."""
        data = io.BytesIO()
        with self.lock, zipfile.ZipFile(data, "w") as archive:
            for name in (CLASSES, TAGS):
                if (self.folder / name).exists():
                    archive.writestr(name, (self.folder / name).read_bytes())
            for name in self.images.names:
                if (file := self.map_file(name)).exists():
                    archive.writestr(f"{CLASS_MAPS}/{stem(name)}.png", file.read_bytes())
        return data.getvalue(), "application/zip"


def counted(marked: Marked) -> str:
    return "1 class" if len(marked.shown) == 1 else f"{len(marked.shown)} classes"


def stem(name: str) -> str:
    """The path of an image without its suffix: that of its class map."""
    return splitext(name)[0]


def labels_folder(images: str, labels: str | None) -> UPath:
    """The folder that strokes and tags are kept in: beside the images, which are looked for in all
    of theirs.
    """
    place = locate(images)
    return locate(labels) if labels is not None else place.parent / f"{place.name}_labels"


def classes_in(folder: UPath, categories: Sequence[Category]) -> Classes:
    """The classes of a folder of strokes, which gets those of `categories` that are new to it.

    Ids are values in the files: those of the categories where a byte can hold them, else numbers
    in turn.  Raises ValueError without any class, and where the folder has one that is not among
    the categories.
    """
    file = folder / CLASSES
    known = read_classes(str(file)).categories if file.exists() else ()
    names = [category.name for category in categories]
    if lost := [each for each in known if names and each.name not in names]:
        raise ValueError(
            f"{file}: class {lost[0].name!r} is none of those to label, {named(categories)}; "
            "choose another folder of labels"
        )
    new = [each for each in categories if each.name not in {old.name for old in known}]
    if bad := [each for each in new if ";" in each.name]:
        raise ValueError(f"class {bad[0].name!r}: a table of tags has no room for a semicolon")
    if known or not all(0 <= each.id < UNKNOWN for each in new):
        first = max((each.id for each in known), default=-1) + 1
        new = [Category(id=value, name=each.name) for value, each in enumerate(new, first)]
    if not known and not new:
        raise ValueError(f"{file}: there are no classes; name some to label")
    return Classes(categories=tuple(sorted((*known, *new), key=lambda each: each.id)))
