"""Objects out of the marks and drawings of an image."""

import difflib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace

from ray_wssis import masks
from ray_wssis.data.coco.fields import read_point
from ray_wssis.data.imports.export import Drawing, Mark, MarkedImage, Notes, Unusable
from ray_wssis.data.records import Category, Click, Object, named

Size = tuple[int, int]  # (height, width)
Located = tuple[MarkedImage, str, Size]  # with the name of its file


def in_pixels(images: Sequence[Located], pixel_indices: bool, notes: Notes) -> list[Located]:
    """Turn the places of all marks into pixels, if they are fractions of width and height.

    They are if all lie between 0 and 1, not all on whole numbers.  If only some do, or if they are
    said to be pixels, they are noted.
    """
    marks = [mark for image, _, _ in images for mark in image.marks]
    small = [mark for mark in marks if 0 <= mark.x <= 1 and 0 <= mark.y <= 1]
    fractions = [mark for mark in small if not (mark.x.is_integer() and mark.y.is_integer())]
    if not fractions:
        return list(images)
    count = f"{len(small)} of {len(marks)} points have x and y between 0 and 1"
    if len(small) < len(marks) or pixel_indices:
        notes.problems.add(
            "warning",
            "points in the top left pixel",
            fractions[0].where,
            f"{count}, the first is ({fractions[0].x:g}, {fractions[0].y:g})",
            "pixels everywhere; are these fractions of width and height?",
        )
        return list(images)
    found = f"{count}: they are read as fractions of width and height"
    notes.problems.add("info", "fractions", "points", found, "nothing, or pixels")
    return [
        (replace(image, marks=[_scaled(mark, size) for mark in image.marks]), file, size)
        for image, file, size in images
    ]


def _scaled(mark: Mark, size: Size) -> Mark:
    return replace(mark, x=mark.x * size[1], y=mark.y * size[0])


@dataclass(kw_only=True)
class Gathering:
    """Turns images into objects, and counts those of several parts."""

    categories: Sequence[Category]
    middle: float  # added to x and y
    notes: Notes
    num_parts: int = 0
    num_joined: int = 0

    def objects(self, image: MarkedImage, size: Size, first_id: int) -> tuple[Object, ...]:
        """Return the objects of an image, their annotations numbered from `first_id` on."""
        groups: dict[Hashable, _Group] = {}
        labels = {category.name: label for label, category in enumerate(self.categories)}
        parts: list[Mark | Drawing] = [*image.marks, *image.drawings]
        for number, part in enumerate(parts):
            with self.notes.item(part.where) as where:
                if part.class_name not in labels:
                    raise unknown_class(part.class_name, self.categories)
                label = labels[part.class_name]
                key = (label, part.group) if part.group else number
                if isinstance(part, Mark):
                    place = place_in(part.x + self.middle, part.y + self.middle, size)
                    click = Click(*place, part.positive)
                    groups.setdefault(key, _Group(where, label)).clicks.append(click)
                else:
                    groups.setdefault(key, _Group(where, label)).masks.append(part.mask)
        objects: list[Object] = []
        for group in groups.values():
            with self.notes.item(group.where):
                objects.append(group.object(first_id + len(objects), size))
                self.num_joined += group.num_parts > 1
                self.num_parts += group.num_parts if group.num_parts > 1 else 0
        return tuple(objects)


@dataclass
class _Group:
    """Parts of one object."""

    where: str
    label: int
    clicks: list[Click] = field(default_factory=list)
    masks: list[bytes] = field(default_factory=list)

    @property
    def num_parts(self) -> int:
        return len(self.clicks) + len(self.masks)

    def object(self, number: int, size: Size) -> Object:
        """Make the object.  Raises Unusable when there is only what is off it."""
        clicks = sorted(self.clicks, key=lambda click: not click.positive)
        pointed = bool(clicks) and clicks[0].positive
        if not pointed and not self.masks:
            raise Unusable("no point on it", "only points off the object", "at least one on it")
        return Object(
            annotation_id=number,
            label=self.label,
            mask=masks.union(self.masks, *size) if self.masks else None,
            point=(clicks[0].x, clicks[0].y) if pointed else None,
            clicks=tuple(clicks[1:] if pointed else clicks),
        )


def unknown_class(name: str, categories: Sequence[Category]) -> Unusable:
    """Say that there is no such class, and which was perhaps meant."""
    folded = {category.name.casefold(): category.name for category in categories}
    near = difflib.get_close_matches(name.casefold(), folded, n=1)
    wanted = f"did you mean {folded[near[0]]!r}?" if near else f"one of {named(categories)}"
    return Unusable(f"unknown class {name!r}", f"the class {name!r}", wanted)


def place_in(x: float, y: float, size: Size) -> tuple[float, float]:
    """Check a place in an image.  Raises Unusable outside of it."""
    height, width = size
    try:
        point = read_point([x, y], height, width)
    except ValueError as error:
        wanted = f"0 <= x < {width} and 0 <= y < {height}"
        raise Unusable("point outside the image", str(error), wanted) from error
    assert point is not None
    return point
