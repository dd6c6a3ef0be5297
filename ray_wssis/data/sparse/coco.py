"""Masks and points of an instance project, a COCO file, as sparse class maps.

Where every object of an image has a mask, all other pixels are background.  Where some have only a
point, masks and points have their class, and nobody knows about the rest.
"""

from collections.abc import Iterator, Mapping

from upath import UPath

from ray_wssis.data.annotated import labelled
from ray_wssis.data.class_maps.painted import paint
from ray_wssis.data.class_maps.png import UNKNOWN, ClassMap, encode
from ray_wssis.data.class_maps.tags import background_of
from ray_wssis.data.coco.read import Rejected, read_coco
from ray_wssis.data.imports.objects import unknown_class
from ray_wssis.data.imports.voc_points import is_voc_points
from ray_wssis.data.problem import Problems
from ray_wssis.data.records import Category, Object, Point, Record, Records
from ray_wssis.data.sparse.brush import brushed, thin
from ray_wssis.data.sparse.config import COCO, SparseLabelsConfig
from ray_wssis.data.sparse.images import find_images

BEGINNING = 4096  # bytes, by which a file is recognised


def coco_files(config: SparseLabelsConfig) -> list[str]:
    """List the COCO files among sparse labels."""
    return [file for file in config.labels if is_coco(file, config)]


def is_coco(file: str, config: SparseLabelsConfig) -> bool:
    """Tell whether sparse labels are a COCO file: a JSON object, but not of points on VOC."""
    place = UPath(file)
    if config.format is not None or place.suffix.lower() != ".json" or not place.is_file():
        return config.format == COCO
    with place.open("rb") as stream:
        begins = stream.read(BEGINNING).lstrip()
    return begins.startswith(b"{") and not is_voc_points(place)


def read_instances(
    file: str, records: Records, radius: float, problems: Problems
) -> Iterator[tuple[int, bytes]]:
    """Yield the places of images among the records, and their sparse maps as PNGs of labels.

    Points are all pixels within `radius`.  What cannot be used is noted in `problems`, a finding
    for each cause.  Raises ValueError for a file that cannot be understood at all.
    """
    rejected: list[Rejected] = []
    given = read_coco(file, "", boxes_as_points=True, point_suffices=True, rejected=rejected)
    incomplete = {each.image_id for each in rejected if each.image_id is not None}
    given = labelled(given, file, incomplete)
    _note_rejected(rejected, file, problems)
    labels = _labels(given, records.categories, file, problems)
    found = find_images([image.file for image in given], records, file, problems)
    background = next(iter(background_of(records.categories)), UNKNOWN)
    others = []
    for image in given:
        if image.file not in found:
            continue
        place = found[image.file]
        if (image.height, image.width) != (records[place].height, records[place].width):
            others.append(image)
            continue
        is_whole = image.image_id not in incomplete and all(obj.mask for obj in image.objects)
        yield place, encode(_sparse(image, labels, background if is_whole else UNKNOWN, radius))
    _note_sizes(others, len(given), file, problems)


def _sparse(record: Record, labels: Mapping[int, int], ground: int, radius: float) -> ClassMap:
    """Paint the masks of an image, and the points of objects without a mask over them."""
    class_map = paint(record, labels, ground)
    for obj in record.objects:
        if obj.mask is None and not obj.crowd:
            points = thin([[point] for point in _points(obj)], class_map.shape)
            class_map[brushed(points, radius)] = labels[obj.label]
    return class_map


def _points(obj: Object) -> Iterator[Point]:
    """Yield the points on an object."""
    if obj.point is not None:
        yield obj.point
    yield from ((click.x, click.y) for click in obj.clicks if click.positive)


def _labels(
    given: Records, categories: tuple[Category, ...], file: str, problems: Problems
) -> dict[int, int]:
    """Find the label of each class that is used by its name; `UNKNOWN`, and a finding, if none."""
    label_of = {category.name: label for label, category in enumerate(categories)}
    used = sorted({obj.label for record in given for obj in record.objects})
    names = {label: given.categories[label].name for label in used}
    for name in names.values():
        if name not in label_of:
            odd = unknown_class(name, categories)
            problems.add("error", odd.kind, file, odd.found, odd.wanted)
    return {label: label_of.get(name, UNKNOWN) for label, name in names.items()}


def _note_rejected(rejected: list[Rejected], file: str, problems: Problems) -> None:
    if rejected:
        first = rejected[0]
        found = f"{len(rejected)} annotations, {first.annotation_id} for instance: {first.reason}"
        wanted = "a mask or a point in the image; they are left out"
        problems.add("warning", "unusable annotation", file, found, wanted)


def _note_sizes(others: list[Record], total: int, file: str, problems: Problems) -> None:
    if others:
        first = others[0]
        found = (
            f"{len(others)} of {total} images have another size here, for instance {first.file}, "
            f"{first.width} x {first.height} pixels (width x height) in the file"
        )
        wanted = "the size of the image; they are left out"
        problems.add("warning", "another size", file, found, wanted)
