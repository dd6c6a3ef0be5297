"""An export of a labelling tool: its images, with what people clicked and drew on them.

Entries that cannot be used are noted and left out; the rest is read.  Places count from the corner
of the image as it is shown, as ours do.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ray_wssis.data.problem import Problems

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A point in its tool."""

    where: str  # for messages
    class_name: str
    x: float  # pixels
    y: float
    group: str = ""  # marks of one class and group are one object; "": an object of its own
    positive: bool = True


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A mask in its tool."""

    where: str  # for messages
    class_name: str
    mask: bytes  # run-length counts for the size of the image
    group: str = ""  # as that of a mark


@dataclass(frozen=True, kw_only=True)
class Stroke:
    """A line or the track of a brush, which belongs to a class and to no object."""

    where: str  # for messages
    class_name: str
    kind: str  # in the tool
    places: tuple[tuple[float, float], ...] = ()  # (x, y) in pixels, along a line
    mask: bytes | None = None  # run-length counts for the size of the image, of a brush


@dataclass(frozen=True, kw_only=True)
class MarkedImage:
    """An image in its tool; one with a drawing or a brush has a size."""

    where: str  # for messages
    name: str  # a path or an address
    size: tuple[int, int] | None = None  # (height, width) in the tool, where that is known
    marks: list[Mark] = field(default_factory=list)
    drawings: list[Drawing] = field(default_factory=list)
    strokes: list[Stroke] = field(default_factory=list)
    is_empty: bool = False  # somebody says that there is nothing on it

    @property
    def is_labelled(self) -> bool:
        return bool(self.marks or self.drawings or self.is_empty)


class Unusable(ValueError):
    """A part of an export that has to be left out."""

    def __init__(self, kind: str, found: str, wanted: str) -> None:
        super().__init__(kind, found, wanted)
        self.kind, self.found, self.wanted = kind, found, wanted


class Notes:
    """Notes of what was left out, and why."""

    def __init__(self) -> None:
        self.problems = Problems()
        self.others: Counter[str] = Counter()  # annotations that are not taken, by kind

    @contextmanager
    def item(self, where: str) -> Iterator[str]:
        """Note an item that turns out to be unusable, and carry on; yields `where`."""
        try:
            yield where
        except Unusable as error:
            self.problems.add("warning", error.kind, where, error.found, error.wanted)


def checked(model: type[Model], entry: Any) -> Model:
    """Validate an entry of an export as `model`.  Raises Unusable, naming the first bad field."""
    try:
        return model.model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        found = f"{where}: {first['msg']}" if where else first["msg"]
        fields = (info.alias or name for name, info in model.model_fields.items())
        raise Unusable("malformed entry", found, f"an entry with {', '.join(fields)}") from error
