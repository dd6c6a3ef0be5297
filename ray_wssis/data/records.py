"""A data set in memory: one row per picture, in a compact Arrow table.

`Records` is what stages hand to each other.  It holds no pixels, only where they are, and what is
known about each object: a class, perhaps a mask, perhaps a point.  A *strong* picture knows the
masks, a *weak* one only the points; one table may hold both kinds.  COCO files are read into
records and written from them (`ray_wssis.data.coco`), and exist nowhere else.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from upath import UPath

Point = tuple[float, float]

SCHEMA = pa.schema(
    [
        ("image_id", pa.int64()),
        ("file", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("annotation_id", pa.list_(pa.int64())),
        ("label", pa.list_(pa.int32())),
        ("mask", pa.list_(pa.binary())),
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
    ]
)
_CLICKS = "clicks"  # the column that older files lack
_CATEGORIES = b"categories"  # key in the schema's metadata


class Click(NamedTuple):
    """A further point that somebody clicked, beside the one of `Record.points`."""

    x: float  # pixels of the original picture, pixel centres at +0.5
    y: float
    positive: bool  # on the object; False: off it


@dataclass(frozen=True, kw_only=True)
class Category:
    """A class as a COCO file knows it; its label is its place among the sorted ids."""

    id: int
    name: str


def named(categories: Sequence[Category]) -> str:
    """Classes for people: `6 classes (1 disc, 2 ring, ...)`."""
    some = ", ".join(f"{category.id} {category.name}" for category in categories[:4])
    return f"{len(categories)} classes ({some}{', ...' if len(categories) > 4 else ''})"


@dataclass(frozen=True, kw_only=True)
class Record:
    """One picture and its objects; entry i of every list is the same object."""

    image_id: int
    file: str  # path or URI of the picture
    width: int  # pixels of the original picture, after its EXIF rotation
    height: int
    annotation_ids: list[int]
    labels: list[int]  # 0..C-1, the place of the category among the sorted ids
    masks: list[bytes | None]  # run-length counts for (height, width); None: no mask known
    points: list[Point | None]  # (x, y), pixel centres at +0.5; None: no point known
    crowds: list[bool]  # COCO's iscrowd: an ignore region, neither an object nor background
    clicks: list[list[Click]] = field(default_factory=list)  # left out: none for any object

    def __post_init__(self) -> None:
        if not self.clicks:  # a list of its own: `replace` would share the default
            object.__setattr__(self, "clicks", [[] for _ in self.annotation_ids])
        sizes = {
            len(self.annotation_ids),
            len(self.labels),
            len(self.masks),
            len(self.points),
            len(self.crowds),
            len(self.clicks),
        }
        assert len(sizes) == 1, f"image {self.image_id}: lists of different lengths {sizes}"

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> "Record":
        """The record of a table row, as Ray Data or `Table.to_pylist` hand it over."""
        points = zip(row["x"], row["y"], strict=True)
        return cls(
            image_id=int(row["image_id"]),
            file=row["file"],
            width=int(row["width"]),
            height=int(row["height"]),
            annotation_ids=list(row["annotation_id"]),
            labels=list(row["label"]),
            masks=list(row["mask"]),
            points=[None if x is None or y is None or isnan(x) else (x, y) for x, y in points],
            crowds=list(row["crowd"]),
            clicks=[[Click(**click) for click in each] for each in row["clicks"]],
        )

    def to_row(self) -> dict[str, Any]:
        """The same as a plain row of the table."""
        return {
            "image_id": self.image_id,
            "file": self.file,
            "width": self.width,
            "height": self.height,
            "annotation_id": self.annotation_ids,
            "label": self.labels,
            "mask": self.masks,
            "x": [None if point is None else point[0] for point in self.points],
            "y": [None if point is None else point[1] for point in self.points],
            "crowd": self.crowds,
            "clicks": [[click._asdict() for click in each] for each in self.clicks],
        }

    def keep(self, indices: Iterable[int]) -> "Record":
        """The same picture with only these of its objects, in this order."""
        indices = list(indices)
        return Record(
            image_id=self.image_id,
            file=self.file,
            width=self.width,
            height=self.height,
            annotation_ids=[self.annotation_ids[i] for i in indices],
            labels=[self.labels[i] for i in indices],
            masks=[self.masks[i] for i in indices],
            points=[self.points[i] for i in indices],
            crowds=[self.crowds[i] for i in indices],
            clicks=[self.clicks[i] for i in indices],
        )


class Records:
    """Pictures with their objects; iterating gives one `Record` per picture."""

    def __init__(self, table: pa.Table, categories: Sequence[Category]) -> None:
        self.table = table
        self.categories = tuple(sorted(categories, key=lambda category: category.id))

    @classmethod
    def from_rows(cls, records: Iterable[Record], categories: Sequence[Category]) -> "Records":
        """A table of these records."""
        rows = [record.to_row() for record in records]
        return cls(pa.Table.from_pylist(rows, schema=SCHEMA), categories)

    @classmethod
    def read(cls, uri: str | UPath) -> "Records":
        """The records of a Parquet file that `write` made, perhaps before there were clicks.

        Raises ValueError when the file is Parquet of another kind.
        """
        with UPath(uri).open("rb") as file:
            table = pq.read_table(file)
        metadata = table.schema.metadata or {}
        missing = [name for name in SCHEMA.names if name not in [*table.schema.names, _CLICKS]]
        if missing or _CATEGORIES not in metadata:
            what = f"columns {missing}" if missing else "its categories"
            raise ValueError(f"{uri}: no records, the file lacks {what}; read a COCO file instead?")
        if _CLICKS not in table.schema.names:
            table = table.append_column(SCHEMA.field(_CLICKS), _no_clicks(table))
        categories = [Category(**entry) for entry in json.loads(metadata[_CATEGORIES])]
        return cls(table.select(SCHEMA.names).cast(SCHEMA), categories)

    @property
    def schema(self) -> pa.Schema:
        """That of the file: columns, and the categories in its metadata."""
        entries = [{"id": category.id, "name": category.name} for category in self.categories]
        return SCHEMA.with_metadata({_CATEGORIES: json.dumps(entries).encode()})

    def write(self, uri: str | UPath) -> None:
        """Write the records to one Parquet file, the categories in its metadata."""
        table = self.table.replace_schema_metadata(self.schema.metadata)
        path = UPath(uri)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            pq.write_table(table, file)

    def select(self, indices: Sequence[int]) -> "Records":
        """The rows at these places, in this order."""
        return Records(self.table.take(pa.array(indices, type=pa.int64())), self.categories)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __getitem__(self, index: int) -> Record:
        if not -len(self) <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        return Record.from_row(self.table.slice(index % len(self), 1).to_pylist()[0])

    def __iter__(self) -> Iterator[Record]:
        for batch in self.table.to_batches(max_chunksize=1024):
            yield from map(Record.from_row, batch.to_pylist())

    def __repr__(self) -> str:
        names = ", ".join(category.name for category in self.categories[:4])
        return f"Records({len(self)} images, {len(self.categories)} classes: {names}, ...)"


def _no_clicks(table: pa.Table) -> pa.Array:
    """A column of an empty list for each object of each picture."""
    counts = pc.list_value_length(table["annotation_id"]).to_pylist()
    return pa.array([[[]] * count for count in counts], type=SCHEMA.field(_CLICKS).type)
