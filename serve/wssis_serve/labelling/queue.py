"""A folder of images that people label on the page, one after the other, each saved at once."""

import os
from collections.abc import Sequence
from threading import RLock
from typing import Any

from upath import UPath

from ray_wssis.data.coco.write import compact
from ray_wssis.data.images.read import ImageError, read_size
from ray_wssis.data.records import Category
from ray_wssis.storage import is_local, locate
from wssis_serve.errors import ApiError, unprocessable
from wssis_serve.labelling.images import ImagesToLabel, LastSaves
from wssis_serve.labelling.labels_file import LabelsFile, Shown, State
from wssis_serve.labelling.suggestions import Suggestions

LABELS = "labels.json"  # in the folder of the images
AGAIN_AFTER = 5.0  # seconds, when labels could not be written


class Queue:
    """Images and their labels.  Only one process at a time may have those of a file.

    Methods raise ApiError for mistakes of a caller.  They read files, so they may take a moment.
    """

    def __init__(
        self,
        images: str,
        labels: str | None,
        categories: Sequence[Category] = (),
        suggestions: str | None = None,
    ) -> None:
        """Raises ValueError for a folder without images, and as `LabelsFile` and `Suggestions`."""
        self.images = ImagesToLabel(images)
        self.file = labels_file(images, labels)
        check_place(self.file)
        self.labels = LabelsFile(self.file, self.images.folder, categories)
        if not self.labels.categories:
            raise ValueError(f"{self.file}: there are no classes; name some to label")
        self.suggestions: Suggestions | None = None
        if suggestions is not None:
            offered, known = locate(suggestions), self.labels.categories
            self.suggestions = Suggestions(offered, self.images.folder, known)
        self.lock = RLock()
        self.saves = LastSaves()

    def overview(self) -> dict[str, Any]:
        """All images by name, and how far they are."""
        with self.lock:
            self.labels.refresh()
            self.images.refresh()
            return {
                "id": str(self.file),
                "classes": [vars(each) for each in self.labels.categories],
                "images": [
                    {
                        "name": name,
                        "state": self.labels.state(name),
                        "num_labels": self.labels.num_objects(name),
                    }
                    for name in self.images.names
                ],
                "has_suggestions": self.suggestions is not None,
            }

    def get(self, name: str) -> dict[str, Any]:
        """The labels of an image."""
        with self.lock:
            self.images.uri(name)
            self.labels.refresh()
            return self.answer(name, self.labels.shown(name))

    def suggested(self, name: str) -> dict[str, Any]:
        """The objects of an image that a file of suggestions has."""
        with self.lock:
            self.images.uri(name)
        return {"objects": [] if self.suggestions is None else self.suggestions.of(name)}

    def whole(self) -> tuple[bytes, str]:
        """The COCO file, and its media type."""
        with self.lock:
            self.labels.refresh()
            return compact(self.labels.data()).encode(), "application/json"

    def image(self, name: str) -> str:
        """The place of an image."""
        with self.lock:
            return self.images.uri(name)

    def save(self, name: str, wanted: dict[str, Any]) -> dict[str, Any]:
        """Replace the labels of an image, unless somebody else did since they were read.

        `wanted` has `revision`, the one that was read, `state`, `objects`, `window`, a name of
        whoever saves, and `change`, which counts those of the image there.  Returns the new
        labels, objects in their order.
        """
        with self.lock:
            file = self.images.uri(name)
            self.labels.refresh()
            shown = self.labels.shown(name)
            objects, state = wanted["objects"], State(wanted["state"])
            if shown.revision != wanted["revision"]:
                if is_saved(shown, state, objects):
                    return self.answer(name, shown)  # a second attempt: that answer was lost
                theirs = f"{len(shown.objects)} objects ({shown.state})"
                yours = f"{len(objects)} objects"
                raise self.saves.conflict(name, wanted["window"], theirs, yours)
            try:
                size = read_size(file)
                numbers = self.labels.save(name, size, state, objects)
            except ImageError as error:
                raise unprocessable(f"{name}: {error.found}; {error.wanted}") from error
            except ValueError as error:
                raise unprocessable(str(error)) from error
            except OSError as error:
                self.labels.read()  # what is stored, for the next attempt
                text = f"the labels of {name} could not be written: {error.strerror or error}"
                raise ApiError(503, "not_saved", text, AGAIN_AFTER) from error
            saved = self.labels.shown(name)
            self.saves.note(name, wanted["window"], wanted["change"], saved.revision)
            by_id = {entry["id"]: entry for entry in saved.objects}
            return self.answer(name, saved._replace(objects=[by_id[each] for each in numbers]))

    def answer(self, name: str, shown: Shown) -> dict[str, Any]:
        return {**shown._asdict(), "saves": self.saves.of(name)}


def labels_file(images: str, labels: str | None) -> UPath:
    """The file that the labels of a folder are kept in."""
    return locate(labels) if labels is not None else locate(images) / LABELS


def check_place(file: UPath) -> None:
    """Raise ValueError where no file can be written."""
    if is_local(file) and not os.access(file.parent.path, os.W_OK):
        raise ValueError(
            f"{file}: no file can be written there; choose another place with --labels FILE"
        )


def is_saved(shown: Shown, state: State, objects: Sequence[dict[str, Any]]) -> bool:
    """Tell whether these labels are the stored ones, apart from their ids."""

    def plain(entry: dict[str, Any]) -> dict[str, Any]:
        return {key: entry.get(key) for key in SAME if entry.get(key) not in (None, [])}

    return shown.state == state and list(map(plain, shown.objects)) == list(map(plain, objects))


SAME = ("category_id", "point", "extra_points", "negative_points", "segmentation")
