"""Points, lines and areas that people drew in another tool, as sparse class maps."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from upath import UPath

from ray_wssis import masks
from ray_wssis.data.class_maps.png import UNKNOWN, encode
from ray_wssis.data.class_maps.voc import SHORT_NAMES
from ray_wssis.data.imports.export import MarkedImage, Notes, Unusable
from ray_wssis.data.imports.formats import MAY_BE_FRACTIONS, read_export, recognise
from ray_wssis.data.imports.objects import Located, in_pixels, place_in, unknown_class
from ray_wssis.data.problem import Problems, Severity
from ray_wssis.data.records import Category, Record, Records
from ray_wssis.data.sparse.brush import Place, brushed, thin
from ray_wssis.data.sparse.config import COCO, SparseLabelsConfig
from ray_wssis.data.sparse.images import find_images

Layer = tuple[int, NDArray[np.bool_]]  # label, and the pixels [H, W] that have it


def read_drawn(
    file: str, records: Records, config: SparseLabelsConfig, problems: Problems
) -> Iterator[tuple[int, bytes]]:
    """Yield the places of images among the records, and what is drawn on them as PNGs of labels.

    Areas are lowest, points uppermost.  What cannot be used is noted in `problems`, a finding for
    each cause.  Raises ValueError for files that cannot be understood at all.
    """
    export, notes = UPath(file), Notes()
    assert config.format != COCO
    known = config.format or recognise(export)
    marked = [image for image in read_export(export, known, notes) if _shows_something(image)]
    found = find_images(list(dict.fromkeys(x.name for x in marked)), records, file, problems)
    located: list[Located] = []
    for image in marked:
        with notes.item(image.where):
            if image.name in found:
                located.append(_located(image, records[found[image.name]]))
    if known in MAY_BE_FRACTIONS:
        located = in_pixels(located, config.pixel_indices, notes)
    middle = 0.5 if config.pixel_indices else 0.0
    crossed: dict[str, int] = {}  # pixels with two classes by image
    for image, name, size in located:
        canvas = np.full(size, UNKNOWN, np.uint8)
        for label, pixels in _layers(image, size, records.categories, config, middle, notes):
            crossed[name] = crossed.get(name, 0) + _crossed(canvas[pixels], label)
            canvas[pixels] = label
        yield found[image.name], encode(canvas)
    _note_crossed(file, {name: number for name, number in crossed.items() if number}, problems)
    _condense(file, notes, problems)


def _shows_something(image: MarkedImage) -> bool:
    return bool(image.marks or image.drawings or image.strokes)


def _located(image: MarkedImage, record: Record) -> Located:
    """Join an image of a tool with its size here.  Raises Unusable for another size."""
    size = record.height, record.width
    if image.size is not None and image.size != size:
        found = f"{image.size[1]} x {image.size[0]} pixels (width x height)"
        wanted = f"{size[1]} x {size[0]}, the size of {record.file}"
        raise Unusable("another size", found, wanted)
    return image, record.file, size


def _layers(
    image: MarkedImage,
    size: tuple[int, int],
    categories: Sequence[Category],
    config: SparseLabelsConfig,
    middle: float,
    notes: Notes,
) -> Iterator[Layer]:
    """Yield what is drawn on an image, from the lowest layer to the uppermost one."""
    labels = {category.name: label for label, category in enumerate(categories)}
    for short, name in SHORT_NAMES.items():
        if name in labels:
            labels.setdefault(short, labels[name])

    def label_of(name: str) -> int:
        if name not in labels:
            raise unknown_class(name, categories)
        return labels[name]

    for drawing in image.drawings:
        with notes.item(drawing.where):
            yield label_of(drawing.class_name), masks.decode(drawing.mask, *size)
    lines, points = defaultdict(list), defaultdict(list)
    for stroke in image.strokes:
        with notes.item(stroke.where):
            label = label_of(stroke.class_name)
            if stroke.mask is not None:
                yield label, masks.decode(stroke.mask, *size)
            else:
                lines[label].append(_inside(stroke.places, size))
    for mark in image.marks:
        with notes.item(mark.where):
            label = label_of(mark.class_name)
            if mark.positive:
                points[label].append([place_in(mark.x + middle, mark.y + middle, size)])
            else:
                notes.others["point off its class"] += 1
    yield from _brushed(lines, size, config.width / 2)
    yield from _brushed(points, size, config.radius)


def _brushed(
    paths: Mapping[int, list[list[Place]]], size: tuple[int, int], radius: float
) -> Iterator[Layer]:
    for label, drawn in paths.items():
        yield label, brushed(thin(drawn, size), radius)


def _inside(places: Sequence[Place], size: tuple[int, int]) -> list[Place]:
    """Return the places of a line.  Raises Unusable if none of its pixels is in the image."""
    if not thin([places], size).any():
        height, width = size
        found = f"all {len(places)} places are outside, the first is {places[0]}"
        wanted = f"0 <= x < {width} and 0 <= y < {height}"
        raise Unusable("line outside the image", found, wanted)
    return list(places)


def _crossed(before: NDArray[np.uint8], label: int) -> int:
    """Count the pixels that had another label."""
    return int(((before != UNKNOWN) & (before != label)).sum())


def _note_crossed(file: str, crossed: Mapping[str, int], problems: Problems) -> None:
    if crossed:
        name, number = next(iter(crossed.items()))
        found = (
            f"{sum(crossed.values())} pixels of {len(crossed)} images are annotated with two "
            f"classes, {number} of {name} for instance: points count before lines, lines before "
            "areas, later ones before earlier ones"
        )
        wanted = "a class for a pixel; a smaller width or radius may help"
        problems.add("warning", "two classes", file, found, wanted)


def _condense(file: str, notes: Notes, problems: Problems) -> None:
    """Report what was left out, a finding for each cause."""
    kinds = Counter(problem.kind for problem in notes.problems.found)
    for kind, number in kinds.items():
        first = next(problem for problem in notes.problems.found if problem.kind == kind)
        severity: Severity = "error" if kind.startswith("unknown class") else first.severity
        times = f"{number} times, first in " if number > 1 else ""
        found = f"{times}{first.where}: {first.found}"
        problems.add(severity, kind, file, found, first.wanted)
    if notes.others:
        named = ", ".join(f"{number} {kind}" for kind, number in notes.others.most_common())
        wanted = "points, lines, brush strokes, masks or polygons"
        problems.add("info", "not read", file, f"annotations of other kinds: {named}", wanted)
