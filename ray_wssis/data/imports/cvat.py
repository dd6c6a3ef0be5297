"""Points from CVAT: `annotations.xml` of an export *CVAT for images 1.1*."""

from collections.abc import Iterator
from xml.etree import ElementTree

from pydantic import BaseModel
from upath import UPath

from ray_wssis.data.imports.export import Mark, MarkedImage, Notes, Unusable, checked


class _Image(BaseModel):
    name: str
    subset: str = ""  # of a project
    width: int
    height: int


class _Points(BaseModel):
    label: str
    points: str
    group_id: str = ""


def read_cvat(export: UPath, notes: Notes) -> Iterator[MarkedImage]:
    """Read the images of `annotations.xml`; each point of a shape outside a group is an object."""
    root = ElementTree.fromstring(export.read_bytes())
    if root.find("image") is None:
        raise ValueError("no <image> in it; export `CVAT for images 1.1`, also from a video")
    for number, element in enumerate(root.findall("image")):
        with notes.item(f"image {element.get('name', number)}"):
            entry = checked(_Image, element.attrib)
            name = f"{entry.subset}/{entry.name}" if entry.subset else entry.name
            image = MarkedImage(where=f"image {name}", name=name, size=(entry.height, entry.width))
            for place, shape in enumerate(element):
                if shape.tag == "points":
                    with notes.item(f"{image.where}, shape {place}") as where:
                        image.marks.extend(_marks(where, shape))
                else:
                    notes.others[shape.tag] += 1
            yield image


def _marks(where: str, element: ElementTree.Element) -> list[Mark]:
    shape = checked(_Points, element.attrib)
    try:
        places = [map(float, place.split(",")) for place in shape.points.split(";")]
        return [
            Mark(where=where, class_name=shape.label, x=x, y=y, group=shape.group_id)
            for x, y in places
        ]
    except ValueError as error:
        wanted = "x,y or x,y;x,y;... in pixels"
        raise Unusable("malformed point", f"points={shape.points!r:.40}", wanted) from error
