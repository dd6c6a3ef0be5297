"""A data set in memory: one record per image.

`Records` is what stages hand to each other.  It holds no pixels, only where they are, and what is
known about each image: its objects, each with a class and perhaps a mask or a point, and perhaps a
class map, tags, and the part that somebody looked at.  A *strong* image knows the masks, a *weak*
one only the points; one table may hold both kinds.  COCO files are read into records and written
from them (`ray_wssis.data.coco.read`), and exist nowhere else.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from math import isnan
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from upath import UPath

Point = tuple[float, float]

# Of a data set, masks and class maps together may have more than the 2 GiB of plain binary columns.
SCHEMA = pa.schema(
    [
        ("image_id", pa.int64()),
        ("file", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("annotation_id", pa.list_(pa.int64())),  # from here to clicks: one entry per object
        ("label", pa.list_(pa.int32())),
        ("mask", pa.list_(pa.large_binary())),
        ("x", pa.list_(pa.float64())),
        ("y", pa.list_(pa.float64())),
        ("crowd", pa.list_(pa.bool_())),
        (
            "clicks",
            pa.list_(
                pa.list_(
                    pa.struct([("x", pa.float64()), ("y", pa.float64()), ("positive", pa.bool_())])
                )
            ),
        ),
        ("class_map", pa.large_binary()),
        ("tags", pa.list_(pa.int32())),
        ("annotated", pa.large_binary()),
        ("confidence", pa.large_binary()),
    ]
)
_CLICKS = "clicks"
_ADDED = (_CLICKS, "class_map", "tags", "annotated", "confidence")  # columns that older files lack
WRITTEN_AT_A_TIME = 512  # records
FEW = 8192  # records that are held as they are; more of them become a table, so many at a time
_CATEGORIES = b"categories"  # key in the schema's metadata


class Click(NamedTuple):
    """An extra point that somebody clicked for an object, besides `Object.point`."""

    x: float  # pixels of the original image, pixel centres at +0.5
    y: float
    positive: bool  # on the object; False: off it


@dataclass(frozen=True, kw_only=True)
class Category:
    """A class of a COCO file; its label is its place among the sorted ids."""

    id: int
    name: str


def named(categories: Sequence[Category]) -> str:
    """Describe classes: `6 classes (1 disc, 2 ring, ...)`."""
    first = ", ".join(f"{category.id} {category.name}" for category in categories[:4])
    return f"{len(categories)} classes ({first}{', ...' if len(categories) > 4 else ''})"


@dataclass(frozen=True, kw_only=True, slots=True)
class Object:
    """One annotated object of an image."""

    annotation_id: int
    label: int  # 0..C-1, the place of the category among the sorted ids
    mask: bytes | None = None  # run-length counts for (height, width); None: no mask known
    point: Point | None = None  # (x, y), pixel centres at +0.5; None: no point known
    crowd: bool = False  # COCO's iscrowd: an ignore region, neither an object nor background
    clicks: tuple[Click, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One image and what is known about it."""

    image_id: int
    file: str  # path or URI of the image
    width: int  # pixels of the original image, after its EXIF rotation
    height: int
    objects: tuple[Object, ...] = ()
    class_map: bytes | None = None  # PNG [height, width] of labels, 255: unknown; None: no map
    tags: tuple[int, ...] | None = None  # labels of the classes it shows; None: nobody said
    annotated: bytes | None = None  # run-length counts of what somebody looked at; None: all of it
    confidence: bytes | None = None  # PNG [height, width]: probability of its class map, times 255

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> "Record":
        """Make the record of a table row, as `Table.to_pylist` returns it."""
        columns = (row[name] for name in ("annotation_id", "label", "mask", "x", "y", "crowd"))
        return cls(
            image_id=int(row["image_id"]),
            file=row["file"],
            width=int(row["width"]),
            height=int(row["height"]),
            objects=tuple(
                Object(
                    annotation_id=annotation_id,
                    label=label,
                    mask=mask,
                    point=None if x is None or y is None or isnan(x) else (x, y),
                    crowd=crowd,
                    clicks=tuple(Click(**click) for click in clicks),
                )
                for annotation_id, label, mask, x, y, crowd, clicks in zip(
                    *columns, row[_CLICKS], strict=True
                )
            ),
            class_map=row["class_map"],
            tags=None if row["tags"] is None else tuple(row["tags"]),
            annotated=row["annotated"],
            confidence=row["confidence"],
        )

    def to_row(self) -> dict[str, Any]:
        """Return the record as a plain row of the table."""
        return {
            "image_id": self.image_id,
            "file": self.file,
            "width": self.width,
            "height": self.height,
            "annotation_id": [obj.annotation_id for obj in self.objects],
            "label": [obj.label for obj in self.objects],
            "mask": [obj.mask for obj in self.objects],
            "x": [None if obj.point is None else obj.point[0] for obj in self.objects],
            "y": [None if obj.point is None else obj.point[1] for obj in self.objects],
            "crowd": [obj.crowd for obj in self.objects],
            "clicks": [[click._asdict() for click in obj.clicks] for obj in self.objects],
            "class_map": self.class_map,
            "tags": None if self.tags is None else list(self.tags),
            "annotated": self.annotated,
            "confidence": self.confidence,
        }


class Records:
    """Images with their objects; iterating gives one `Record` per image.

    Made from an Arrow table or from records, and turned into the other only where it is asked for.
    """

    def __init__(
        self, content: pa.Table | Sequence[Record], categories: Sequence[Category]
    ) -> None:
        self._content = content
        self.categories = tuple(sorted(categories, key=lambda category: category.id))

    @classmethod
    def from_rows(cls, records: Iterable[Record], categories: Sequence[Category]) -> "Records":
        """Hold these records: a few as they are, many in an Arrow table."""
        rest = iter(records)
        first = tuple(islice(rest, FEW))
        if len(first) < FEW:
            return cls(first, categories)
        pieces = [_table(first)]
        while piece := tuple(islice(rest, FEW)):
            pieces.append(_table(piece))
        return cls(pa.concat_tables(pieces), categories)

    @cached_property
    def table(self) -> pa.Table:
        """Arrow table with the columns of `SCHEMA`."""
        if isinstance(self._content, pa.Table):
            return self._content
        return _table(self._content)

    @classmethod
    def read(cls, uri: str | UPath) -> "Records":
        """Read a Parquet file that `write` made, perhaps an older one with fewer columns.

        Raises ValueError when the file is Parquet of another kind.
        """
        with UPath(uri).open("rb") as file:
            table = pq.read_table(file)
        metadata = table.schema.metadata or {}
        missing = [name for name in SCHEMA.names if name not in [*table.schema.names, *_ADDED]]
        if missing or _CATEGORIES not in metadata:
            what = f"columns {missing}" if missing else "its categories"
            raise ValueError(f"{uri}: no records, the file lacks {what}; read a COCO file instead?")
        for name in _ADDED:
            if name not in table.schema.names:
                table = table.append_column(SCHEMA.field(name), _unknown(name, table))
        categories = [Category(**entry) for entry in json.loads(metadata[_CATEGORIES])]
        return cls(table.select(SCHEMA.names).cast(SCHEMA), categories)

    @property
    def schema(self) -> pa.Schema:
        """Schema of the file: columns, and the categories in its metadata."""
        entries = [{"id": category.id, "name": category.name} for category in self.categories]
        return SCHEMA.with_metadata({_CATEGORIES: json.dumps(entries).encode()})

    def write(self, uri: str | UPath) -> None:
        """Write the records to one Parquet file, the categories in its metadata."""
        table = self.table.replace_schema_metadata(self.schema.metadata)
        path = UPath(uri)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            pq.write_table(table, file, row_group_size=WRITTEN_AT_A_TIME)

    def select(self, indices: Sequence[int]) -> "Records":
        """Select the records at these places, in this order."""
        if isinstance(self._content, pa.Table):
            taken = self._content.take(pa.array(indices, type=pa.int64()))
            return Records(taken, self.categories)
        return Records([self._content[index] for index in indices], self.categories)

    def changed(self, change: Callable[[Record], Record], where: NDArray[np.bool_]) -> "Records":
        """Change the records for which `where` holds, and leave the others as they are."""
        assert len(where) == len(self)
        if not isinstance(self._content, pa.Table):
            pairs = zip(self._content, where, strict=True)
            rows = [change(record) if changes else record for record, changes in pairs]
            return Records.from_rows(rows, self.categories)
        pieces = [self._content.slice(0, 0)]
        for start in range(0, len(self), FEW):
            piece, here = self._content.slice(start, FEW), where[start : start + FEW]
            new = [change(record) for record in Records(piece.filter(here), self.categories)]
            order = np.argsort(np.argsort(here, kind="stable"), kind="stable")
            together = pa.concat_tables([piece.filter(~here), _table(new)])
            pieces.append(together.take(order) if new else piece)
        return Records(pa.concat_tables(pieces), self.categories)

    def __len__(self) -> int:
        return len(self._content)

    def __getitem__(self, index: int) -> Record:
        if not -len(self) <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        if isinstance(self._content, pa.Table):
            return Record.from_row(self._content.slice(index % len(self), 1).to_pylist()[0])
        return self._content[index]

    def __iter__(self) -> Iterator[Record]:
        if isinstance(self._content, pa.Table):
            for batch in self._content.to_batches(max_chunksize=1024):
                yield from map(Record.from_row, batch.to_pylist())
        else:
            yield from self._content

    def __repr__(self) -> str:
        names = ", ".join(category.name for category in self.categories[:4])
        return f"Records({len(self)} images, {len(self.categories)} classes: {names}, ...)"


class RecordsWriter:
    """Writes any number of records to one Parquet file, a few at a time in memory.

    For use with `with`; the file is whole when that ends without an exception.
    """

    def __init__(self, file: UPath, categories: Sequence[Category]) -> None:
        self.empty = Records.from_rows([], categories)
        self.pending: list[Record] = []
        self.stream = file.open("wb")
        self.writer = pq.ParquetWriter(self.stream, self.empty.schema)

    def __enter__(self) -> "RecordsWriter":
        return self

    def add(self, record: Record) -> None:
        self.pending.append(record)
        if len(self.pending) == WRITTEN_AT_A_TIME:
            self.flush()

    def flush(self) -> None:
        rows = [record.to_row() for record in self.pending]
        self.writer.write_table(pa.Table.from_pylist(rows, schema=self.empty.schema))
        self.pending = []

    def __exit__(self, *_: object) -> None:
        self.flush()
        self.writer.close()
        self.stream.close()


def _table(records: Iterable[Record]) -> pa.Table:
    return pa.Table.from_pylist([record.to_row() for record in records], schema=SCHEMA)


def _unknown(column: str, table: pa.Table) -> pa.Array:
    """Make a column without content: null for each image, or no clicks for each of its objects."""
    if column != _CLICKS:
        return pa.nulls(len(table), SCHEMA.field(column).type)
    counts = pc.list_value_length(table["annotation_id"]).to_pylist()
    return pa.array([[[]] * count for count in counts], type=SCHEMA.field(_CLICKS).type)
