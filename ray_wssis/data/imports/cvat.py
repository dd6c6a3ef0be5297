"""Points and masks from CVAT: `annotations.xml` of an export *CVAT for images 1.1*."""

from collections.abc import Iterator
from xml.etree import ElementTree

import numpy as np
from pydantic import BaseModel, Field
from upath import UPath

from ray_wssis import masks
from ray_wssis.data.imports.export import (
    Drawing,
    Mark,
    MarkedImage,
    Notes,
    Stroke,
    Unusable,
    checked,
)

LONGEST = 1_000_000  # pixels of a side


class _Image(BaseModel):
    name: str
    subset: str = ""  # of a project
    width: int = Field(ge=1, le=LONGEST)
    height: int = Field(ge=1, le=LONGEST)


class _Outline(BaseModel):
    """Attributes of points, of polygons and of polylines."""

    label: str
    points: str
    group_id: str = ""


class _Mask(BaseModel):
    """Attributes of a mask: run lengths along the rows of a box, background first."""

    label: str
    rle: str
    left: int
    top: int
    width: int
    height: int
    group_id: str = ""


def read_cvat(export: UPath, notes: Notes) -> Iterator[MarkedImage]:
    """Read the images of `annotations.xml`; each point of a shape outside a group is an object.

    Masks and polygons are drawings, polylines are strokes.  A skeleton of one point is that point,
    with the class of the skeleton.  Shapes that are marked as outside are counted and left out.
    """
    root = ElementTree.fromstring(export.read_bytes())
    if root.find("image") is None:
        raise ValueError("no <image> in it; export `CVAT for images 1.1`, also from a video")
    for number, element in enumerate(root.findall("image")):
        with notes.item(f"image {element.get('name', number)}"):
            entry = checked(_Image, element.attrib)
            name = f"{entry.subset}/{entry.name}" if entry.subset else entry.name
            image = MarkedImage(where=f"image {name}", name=name, size=(entry.height, entry.width))
            for place, shape in enumerate(element):
                with notes.item(f"{image.where}, shape {place}") as where:
                    _read_shape(where, shape, image, notes)
            yield image


def _read_shape(where: str, shape: ElementTree.Element, image: MarkedImage, notes: Notes) -> None:
    """Add a shape to its image, or count it.  Raises Unusable."""
    parts = [part for part in shape if part.tag != "attribute"]
    only = parts[0] if shape.tag == "skeleton" and len(parts) == 1 else shape
    if {shape.get("outside"), only.get("outside")} & {"1", "true"}:
        notes.others[f"{shape.tag} marked as outside"] += 1
    elif only.tag == "points":
        image.marks.extend(_marks(where, only.attrib | shape.attrib))
    elif shape.tag == "polyline":
        line = checked(_Outline, shape.attrib)
        image.strokes.append(
            Stroke(
                where=where,
                class_name=line.label,
                kind=shape.tag,
                places=tuple(_places(line.points)),
            )
        )
    elif shape.tag in ("mask", "polygon"):
        assert image.size is not None
        image.drawings.append(_drawing(where, shape, *image.size))
    else:
        notes.others[shape.tag] += 1


def _marks(where: str, attributes: dict[str, str]) -> list[Mark]:
    shape = checked(_Outline, attributes)
    return [
        Mark(where=where, class_name=shape.label, x=x, y=y, group=shape.group_id)
        for x, y in _places(shape.points)
    ]


def _drawing(where: str, element: ElementTree.Element, height: int, width: int) -> Drawing:
    shape: _Mask | _Outline
    try:
        if element.tag == "mask":
            shape = checked(_Mask, element.attrib)
            mask = _mask(shape, height, width)
        else:
            shape = checked(_Outline, element.attrib)
            corners = [value for place in _places(shape.points) for value in place]
            mask = masks.from_polygons([corners], height, width)
    except Unusable:
        raise
    except (ValueError, MemoryError) as error:
        wanted = f"a mask in {width} x {height} pixels"
        raise Unusable("malformed mask", str(error), wanted) from error
    if not masks.area(mask, height, width):
        raise Unusable("empty mask", "the mask has no pixel", "at least one; remove it")
    return Drawing(where=where, class_name=shape.label, mask=mask, group=shape.group_id)


def _mask(shape: _Mask, height: int, width: int) -> bytes:
    """Return the counts of a mask.

    Raises ValueError for one that does not fit its box, and for a box that is not in the image.
    """
    runs = [int(text) for text in shape.rle.split(",")]
    if min(runs) < 0 or sum(runs) != shape.width * shape.height:
        raise ValueError(
            f"the runs cover {sum(runs)} pixels, the box has {shape.width} x {shape.height}"
        )
    right, bottom = shape.left + shape.width, shape.top + shape.height
    if min(shape.left, shape.top) < 0 or right > width or bottom > height:
        raise ValueError(
            f"the box from ({shape.left}, {shape.top}) to ({right}, {bottom}) is not in the image"
        )
    columns = np.zeros((height, shape.width), dtype=bool)  # of the image, that the box covers
    is_object = np.arange(len(runs)) % 2 == 1
    columns[shape.top : bottom] = np.repeat(is_object, runs).reshape(shape.height, shape.width)
    lengths = masks.run_lengths(masks.encode(columns)).tolist()
    lengths[0] += shape.left * height
    rest = (width - right) * height
    if len(lengths) % 2:  # the last run is background
        lengths[-1] += rest
    else:
        lengths.append(rest)
    return masks.from_uncompressed(lengths, height, width)


def _places(text: str) -> list[tuple[float, float]]:
    """Read `x,y;x,y`.  Raises Unusable."""
    try:
        places = [tuple(map(float, place.split(","))) for place in text.split(";")]
        return [(x, y) for x, y in places]
    except ValueError as error:
        wanted = "x,y or x,y;x,y;... in pixels"
        raise Unusable("malformed point", f"points={text!r:.40}", wanted) from error
