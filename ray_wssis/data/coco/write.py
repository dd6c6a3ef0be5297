"""COCO instance files, written at once or image by image.

Masks are compressed run-length codes.  An annotation without a mask gets no `segmentation`, no
`bbox` and no `area`, so that nothing of a hidden mask leaks.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from types import TracebackType
from typing import IO, Any

from upath import UPath

from ray_wssis import masks
from ray_wssis.data.records import Category, Record, Records

# The keys of clicks besides the point, and whether they are positive.
WRITTEN_CLICK_KEYS = {"extra_points": True, "negative_points": False}


def write_coco(
    records: Records,
    uri: str | UPath,
    *,
    images: str | UPath = "",
    info: dict[str, Any] | None = None,
) -> None:
    """Write records as a COCO instance file; file names become relative to `images`."""
    root = f"{images}".rstrip("/") + "/"
    path = UPath(uri)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        file.write(f'{{"info":{compact(info or {})},"images":[')
        for number, record in enumerate(records):
            name = record.file.removeprefix(root) if images else record.file
            entry = coco_image(record, records.categories) | {"file_name": name}
            file.write("," * bool(number) + compact(entry))
        file.write('],"annotations":[')
        everything = (coco_annotations(record, records.categories) for record in records)
        for number, entry in enumerate(chain.from_iterable(everything)):
            file.write("," * bool(number) + compact(entry))
        file.write(f'],"categories":{compact(coco_categories(records.categories))}}}')


def coco_image(record: Record, categories: Sequence[Category]) -> dict[str, Any]:
    """Make the entry of an image; `tags` and `annotated` only where they are known."""
    entry: dict[str, Any] = {
        "id": record.image_id,
        "file_name": record.file,
        "width": record.width,
        "height": record.height,
    }
    if record.tags is not None:
        entry["tags"] = [categories[label].id for label in record.tags]
    if record.annotated is not None:
        entry["annotated"] = coco_annotated(record.annotated, record.height, record.width)
    return entry


def coco_annotated(counts: bytes, height: int, width: int) -> bool | dict[str, Any]:
    """Make the value of `annotated`: true for all of the image, false for nothing, else an RLE."""
    seen = masks.area(counts, height, width)
    if seen in (0, height * width):
        return seen > 0
    return coco_rle(counts, height, width)


def coco_annotations(record: Record, categories: Sequence[Category]) -> Iterator[dict[str, Any]]:
    """Make the annotations of an image."""
    for obj in record.objects:
        entry: dict[str, Any] = {
            "id": obj.annotation_id,
            "image_id": record.image_id,
            "category_id": categories[obj.label].id,
            "iscrowd": int(obj.crowd),
        }
        if obj.point is not None:
            entry["point"] = list(obj.point)
        for key, positive in WRITTEN_CLICK_KEYS.items():
            clicks = [[click.x, click.y] for click in obj.clicks if click.positive == positive]
            entry |= {key: clicks} if clicks else {}
        if obj.mask is not None:
            entry |= coco_mask(obj.mask, record.height, record.width)
        yield entry


def coco_mask(counts: bytes, height: int, width: int) -> dict[str, Any]:
    """Make `segmentation`, `bbox` ([x, y, w, h] in whole pixels) and `area` of a mask."""
    x0, y0, x1, y1 = masks.bounding_box(counts, height, width)
    return {
        "segmentation": coco_rle(counts, height, width),
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": masks.area(counts, height, width),
    }


def coco_rle(counts: bytes, height: int, width: int) -> dict[str, Any]:
    """Make a compressed run-length code."""
    return {"size": [height, width], "counts": counts.decode("ascii")}


def coco_categories(categories: Sequence[Category]) -> list[dict[str, Any]]:
    return [{"id": category.id, "name": category.name} for category in categories]


class CocoWriter:
    """A file of any size: annotations go straight to it, images to a temporary file until the end.

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

    def add(self, record: Record, extra: Sequence[Mapping[str, Any]] = ()) -> None:
        """Write one image; `extra` holds additional keys for each of its annotations."""
        entry = coco_image(record, self.categories)
        self.images.write(",\n" * bool(self.num_images) + compact(entry))
        self.num_images += 1
        for place, annotation in enumerate(coco_annotations(record, self.categories)):
            whole = annotation | dict(extra[place] if extra else {})
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
            self.annotations.write(f'],"categories":{compact(coco_categories(self.categories))}}}')


def compact(value: Any) -> str:
    """Serialise as JSON without spaces."""
    return json.dumps(value, separators=(",", ":"))
