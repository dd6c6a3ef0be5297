"""A folder of images that people label on the page, one after the other, each saved at once."""

import os
import time
from collections.abc import Sequence
from threading import RLock
from typing import Any

from upath import UPath

from ray_wssis.data.coco.write import compact
from ray_wssis.data.images.folder import list_images
from ray_wssis.data.images.read import ImageError, image_uri, read_size
from ray_wssis.data.records import Category
from ray_wssis.storage import is_local, locate
from wssis_serve.config import ServeConfig
from wssis_serve.engines.models import classes_of, find_models
from wssis_serve.errors import ApiError, unprocessable
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
        self.folder = str(locate(images))
        self.names = list_images(self.folder)
        if not self.names:
            raise ValueError(f"{images}: there are no images; give a folder of images to label")
        self.file = labels_file(images, labels)
        check_place(self.file)
        self.labels = LabelsFile(self.file, self.folder, categories)
        if not self.labels.categories:
            raise ValueError(f"{self.file}: there are no classes; name some to label")
        self.suggestions: Suggestions | None = None
        if suggestions is not None:
            offered, known = locate(suggestions), self.labels.categories
            self.suggestions = Suggestions(offered, self.folder, known)
        self.lock = RLock()
        self.last: dict[str, tuple[str, float]] = {}  # who saved an image last, and when

    def overview(self) -> dict[str, Any]:
        """All images by name, and how far they are."""
        with self.lock:
            self.labels.refresh()
            self.names = list_images(self.folder)
            return {
                "id": str(self.file),
                "classes": [vars(each) for each in self.labels.categories],
                "images": [
                    {
                        "name": name,
                        "state": self.labels.state(name),
                        "num_objects": self.labels.num_objects(name),
                    }
                    for name in self.names
                ],
                "has_suggestions": self.suggestions is not None,
            }

    def get(self, name: str) -> dict[str, Any]:
        """The labels of an image."""
        with self.lock:
            self.check(name)
            self.labels.refresh()
            return self.labels.shown(name)._asdict()

    def suggested(self, name: str) -> dict[str, Any]:
        """The objects of an image that a file of suggestions has."""
        with self.lock:
            self.check(name)
        return {"objects": [] if self.suggestions is None else self.suggestions.of(name)}

    def whole(self) -> bytes:
        """The COCO file."""
        with self.lock:
            self.labels.refresh()
            return compact(self.labels.data()).encode()

    def image(self, name: str) -> str:
        """The place of an image."""
        with self.lock:
            self.check(name)
        return image_uri(self.folder, name)

    def save(self, name: str, wanted: dict[str, Any]) -> dict[str, Any]:
        """Replace the labels of an image, unless somebody else did since they were read.

        `wanted` has `revision`, the one that was read, `state`, `objects` and `window`, a name of
        whoever saves.  Returns the new labels, objects in their order.
        """
        with self.lock:
            self.check(name)
            self.labels.refresh()
            shown = self.labels.shown(name)
            objects, state = wanted["objects"], State(wanted["state"])
            if shown.revision != wanted["revision"]:
                if is_saved(shown, state, objects):
                    return shown._asdict()  # the answer was lost, and this is the second attempt
                raise self.conflict(name, shown, len(objects), wanted["window"])
            try:
                size = read_size(image_uri(self.folder, name))
                numbers = self.labels.save(name, size, state, objects)
            except ImageError as error:
                raise unprocessable(f"{name}: {error.found}; {error.wanted}") from error
            except ValueError as error:
                raise unprocessable(str(error)) from error
            except OSError as error:
                self.labels.read()  # what is stored, for the next attempt
                text = f"the labels of {name} could not be written: {error.strerror or error}"
                raise ApiError(503, "not_saved", text, AGAIN_AFTER) from error
            self.last[name] = wanted["window"], time.monotonic()
            saved = self.labels.shown(name)
            by_id = {entry["id"]: entry for entry in saved.objects}
            return saved._replace(objects=[by_id[number] for number in numbers])._asdict()

    def conflict(self, name: str, shown: Shown, num_objects: int, window: str) -> ApiError:
        who, when = self.last.get(name, ("", 0.0))
        by = "this window" if who == window else "another window" if who else "somebody"
        ago = f" {max(1, round(time.monotonic() - when))} s ago" if who else ""
        return ApiError(
            409,
            "conflict",
            f"{name} was saved by {by}{ago} and has {len(shown.objects)} objects ({shown.state}); "
            f"your {num_objects} objects are not saved",
        )

    def check(self, name: str) -> None:
        """Raise ApiError 404 for what is no image of the folder."""
        if name not in self.names:
            raise ApiError(404, "not_found", f"{name[:200]!r} is none of the images to label")


def open_queue(config: ServeConfig) -> Queue | None:
    """The images to label, if there are any.  Raises ValueError if they cannot be labelled."""
    if config.queue is None:
        return None
    return Queue(config.queue, config.labels, classes_of(find_models(config.model)))


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
