"""Scribbles on images of PASCAL VOC: the XML files of ScribbleSup (arXiv:1604.05144).

A file has the name of its image.  Each `<polygon>` is a scribble: its class as `<tag>`, and the
pixels along it as `<point>` with `<X>` and `<Y>`.
"""

from collections.abc import Iterator
from posixpath import splitext
from xml.etree import ElementTree

from upath import UPath

from ray_wssis.data.imports.export import MarkedImage, Notes, Stroke, Unusable
from ray_wssis.storage import files_under


def read_voc_scribbles(export: UPath, notes: Notes) -> Iterator[MarkedImage]:
    """Read the images of a folder.  Raises ValueError for a folder without XML files."""
    files = [file for file in files_under(export) if file.endswith(".xml")]
    if not files:
        raise ValueError("no XML file in the folder")
    for file in files:
        with notes.item(file):
            root = _root(export / file)
            size = root.find("size")
            image = MarkedImage(
                where=file,
                name=splitext(file)[0],
                size=None if size is None else (_number(size, "height"), _number(size, "width")),
            )
            for place, scribble in enumerate(root.findall("polygon")):
                with notes.item(f"{file}, scribble {place}") as where:
                    image.strokes.append(_stroke(where, scribble))
            yield image


def _root(file: UPath) -> ElementTree.Element:
    try:
        root = ElementTree.fromstring(file.read_bytes())
    except ElementTree.ParseError as error:
        raise Unusable("unreadable file", f"not XML ({error})", "a scribble file") from error
    if root.tag != "annotation":
        raise Unusable("unreadable file", f"its root is <{root.tag}>", "<annotation>")
    return root


def _stroke(where: str, scribble: ElementTree.Element) -> Stroke:
    """Read a scribble; pixels become their middles.  Raises Unusable."""
    places = tuple(
        (_number(point, "X") + 0.5, _number(point, "Y") + 0.5)
        for point in scribble.findall("point")
    )
    name = (scribble.findtext("tag") or "").strip()
    if not places or not name:
        found = f"{len(places)} points and the class {name!r:.40}"
        raise Unusable("malformed scribble", found, "<tag>, and a <point> at least")
    return Stroke(where=where, class_name=name, kind="scribble", places=places)


def _number(element: ElementTree.Element, tag: str) -> int:
    text = element.findtext(tag)
    try:
        return int(text or "")
    except ValueError as error:
        wanted = f"a whole number in <{tag}>"
        raise Unusable("malformed entry", f"{tag}: {text!r:.40}", wanted) from error
