"""COCO instance files of any size, written picture by picture."""

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO, Any

from upath import UPath

from ray_wssis.data.coco import coco_annotations, coco_image
from ray_wssis.data.records import Category, Record


class CocoWriter:
    """Annotations go to the file at once, images beside them until the end; in memory is neither.

    To be used with `with`; the file is whole when that ends without an exception.
    """

    def __init__(
        self, file: UPath, categories: Sequence[Category], info: dict[str, Any] | None = None
    ) -> None:
        self.file = file
        self.categories = categories
        self.info = info or {}
        self.num_images = self.num_annotations = 0

    def __enter__(self) -> "CocoWriter":
        self.images: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8")
        self.annotations = self.file.open("w", encoding="utf-8")
        self.annotations.write(f'{{"info":{compact(self.info)},"annotations":[')
        return self

    def add(self, record: Record, more: Sequence[Mapping[str, Any]] = ()) -> None:
        """One picture; `more` has further keys for each of its annotations."""
        self.images.write(",\n" * bool(self.num_images) + compact(coco_image(record)))
        self.num_images += 1
        for place, annotation in enumerate(coco_annotations(record, self.categories)):
            whole = annotation | dict(more[place] if more else {})
            self.annotations.write(",\n" * bool(self.num_annotations) + compact(whole))
            self.num_annotations += 1

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        with self.images, self.annotations:
            if kind is not None:
                return
            self.annotations.write('],"images":[')
            self.images.seek(0)
            shutil.copyfileobj(self.images, self.annotations)
            classes = [{"id": entry.id, "name": entry.name} for entry in self.categories]
            self.annotations.write(f'],"categories":{compact(classes)}}}')


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
