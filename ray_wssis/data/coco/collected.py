"""Images and objects of a COCO file while it is read, in columns: millions fit into memory."""

from array import array
from collections.abc import Iterator, Sequence
from math import nan

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ray_wssis.data.records import SCHEMA, Category, Click, Object, Record, Records

HELD = 1 << 16  # objects, before they go to the columns


class Collected:
    """Images in the order of the file, and the objects of all of them."""

    def __init__(self) -> None:
        self.place_of: dict[int, int] = {}  # of images, by their id
        self.files: list[str] = []
        self.heights, self.widths = array("q"), array("q")
        self.tags: list[tuple[int, ...] | None] = []
        self.annotated: list[bytes | None] = []
        self.held: list[tuple[int, Object]] = []  # the last objects, each with its image's place
        self.columns = Columns()  # all objects before

    def add_image(
        self,
        image_id: int,
        file: str,
        size: tuple[int, int],  # height, width
        tags: tuple[int, ...] | None,
        annotated: bytes | None,
    ) -> None:
        self.place_of[image_id] = len(self.files)
        self.files.append(file)
        self.heights.append(size[0])
        self.widths.append(size[1])
        self.tags.append(tags)
        self.annotated.append(annotated)

    def add(self, place: int, obj: Object) -> None:
        """Add an object to the image at `place`."""
        self.held.append((place, obj))
        if len(self.held) == HELD:
            self.columns.extend(self.held)
            self.held = []

    def records(self, categories: Sequence[Category]) -> Records:
        """Return what was collected; the objects of each image keep their order."""
        if not self.columns.num_objects:
            return Records.from_rows(self._each(), categories)
        self.columns.extend(self.held)
        starts, columns = self.columns.by_place(len(self.files))
        of_objects = {
            name: pa.ListArray.from_arrays(starts, column.cast(SCHEMA.field(name).type.value_type))
            for name, column in columns.items()
        }
        of_images = {
            "image_id": list(self.place_of),
            "file": self.files,
            "width": self.widths,
            "height": self.heights,
            "tags": self.tags,
            "annotated": self.annotated,
        }
        unknown = {name: pa.nulls(len(self.files)) for name in SCHEMA.names}
        table = pa.table(unknown | of_images | of_objects, schema=SCHEMA)
        return Records(table, categories)

    def _each(self) -> Iterator[Record]:
        objects: list[list[Object]] = [[] for _ in self.files]
        for place, obj in self.held:
            objects[place].append(obj)
        for image_id, place in self.place_of.items():
            yield Record(
                image_id=image_id,
                file=self.files[place],
                width=self.widths[place],
                height=self.heights[place],
                objects=tuple(objects[place]),
                tags=self.tags[place],
                annotated=self.annotated[place],
            )


class Columns:
    """Objects of images in any order, some 50 bytes for each beside its mask."""

    def __init__(self) -> None:
        self.num_objects = 0
        self.places, self.labels = array("i"), array("i")  # of images; of classes
        self.numbers = array("q")
        self.xs, self.ys = array("d"), array("d")  # NaN: no point
        self.crowds = array("b")
        self.masks: list[pa.Array] = []
        self.clicks: dict[int, tuple[Click, ...]] = {}  # by place of the object

    def extend(self, placed: Sequence[tuple[int, Object]]) -> None:
        objects = [obj for _, obj in placed]
        points = [obj.point or (nan, nan) for obj in objects]
        self.clicks |= {
            self.num_objects + i: obj.clicks for i, obj in enumerate(objects) if obj.clicks
        }
        self.num_objects += len(objects)
        self.places.extend(place for place, _ in placed)
        self.labels.extend(obj.label for obj in objects)
        self.numbers.extend(obj.annotation_id for obj in objects)
        self.xs.extend(x for x, _ in points)
        self.ys.extend(y for _, y in points)
        self.crowds.extend(obj.crowd for obj in objects)
        self.masks.append(pa.array([obj.mask for obj in objects], type=pa.large_binary()))

    def by_place(self, num_places: int) -> tuple[pa.Array, dict[str, pa.Array]]:
        """Sort by image; return where the objects of each begin, and the columns.  Empties this."""
        places = np.asarray(self.places)
        counts = np.bincount(places, minlength=num_places)
        order = np.argsort(places, kind="stable")
        masks, self.masks = pa.concat_arrays(self.masks), []
        if (np.diff(places) < 0).any():
            masks = masks.take(pa.array(order))
        no_point = np.isnan(self.xs)[order]
        return starts_of(counts), {
            "annotation_id": pa.array(np.asarray(self.numbers)[order]),
            "label": pa.array(np.asarray(self.labels)[order]),
            "mask": masks,
            "x": pa.array(np.asarray(self.xs)[order], mask=no_point),
            "y": pa.array(np.asarray(self.ys)[order], mask=no_point),
            "crowd": pa.array(np.asarray(self.crowds)[order] != 0),
            "clicks": self._clicks(order),
        }

    def _clicks(self, order: NDArray[np.int64]) -> pa.Array:
        """Make a list of clicks for each object, in this order; nearly all are empty."""
        counts = np.zeros(len(order), dtype=np.int64)
        for place, clicks in self.clicks.items():
            counts[place] = len(clicks)
        rows = [
            click._asdict()
            for place in order[counts[order] > 0].tolist()
            for click in self.clicks[place]
        ]
        kind = SCHEMA.field("clicks").type.value_type.value_type
        return pa.ListArray.from_arrays(starts_of(counts[order]), pa.array(rows, type=kind))


def starts_of(counts: NDArray[np.int64]) -> pa.Array:
    """Return where each of some lists, of `counts` values, begins, and where the last ends."""
    return pa.array(np.append(0, np.cumsum(counts)), type=pa.int32())
