"""Points that people clicked in another tool, and masks that they drew, as records.

The images of an export are located, classes and places are checked, and each mark becomes an
object; marks that the tool says belong together become one.  What cannot be used is noted and left
out.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from upath import UPath

from ray_wssis.data.coco.read import read_categories
from ray_wssis.data.images.names import NO_FILE, Names, locate_exports
from ray_wssis.data.images.read import ImageError, MissingImage, image_uri, read_size
from ray_wssis.data.imports.export import MarkedImage, Notes, Unusable
from ray_wssis.data.imports.export_format import ExportFormat
from ray_wssis.data.imports.formats import MAY_BE_FRACTIONS, read_export, recognise
from ray_wssis.data.imports.objects import Gathering, in_pixels
from ray_wssis.data.problem import Problem
from ray_wssis.data.records import Record, Records
from ray_wssis.masks import everywhere

NUM_THREADS = 16  # that read sizes; a thread that waits for a bucket takes no core

Size = tuple[int, int]  # (height, width)


@dataclass(frozen=True, kw_only=True)
class Imported:
    """Content of an export: the usable part, and notes about the rest."""

    export_format: ExportFormat
    names: Names  # of the images, where they are not those of files
    records: Records  # images with an object or said to be empty; files relative to the folder
    num_left_out: int  # images of the export that no record is about
    num_joined: tuple[int, int]  # points and masks that are parts of an object, and such objects
    others: Counter[str]  # number of annotations of each kind that is not taken
    problems: list[Problem]

    @property
    def num_objects(self) -> int:
        return sum(len(record.objects) for record in self.records)

    @property
    def num_masks(self) -> int:
        """Number of objects with a mask."""
        return sum(obj.mask is not None for record in self.records for obj in record.objects)

    @property
    def num_empty(self) -> int:
        """Number of images that somebody said to be empty."""
        return sum(not record.objects for record in self.records)


def import_points(
    export: str | UPath,
    *,
    classes: str | UPath,
    images: str | UPath,
    export_format: ExportFormat | str | None = None,
    pixel_indices: bool = False,
) -> Imported:
    """Read the points and masks of an export, with the categories of the COCO file `classes`.

    Only the sizes of images are read.  An image is looked for under `images`, as
    `image_names.locate_exports` does.  With `pixel_indices` 0.5 is added to x and y.
    Raises ValueError when the export, its format or the classes cannot be understood at all, and
    for a folder of images that does not exist.
    """
    export, notes = UPath(export), Notes()
    if not export.exists():
        raise ValueError(f"{export}: there is no such file or folder")
    if not UPath(images).is_dir():
        raise ValueError(f"{images}: there is no such folder of images")
    known = ExportFormat(export_format) if export_format else recognise(export)
    categories = read_categories(classes)
    marked = read_export(export, known, notes)
    notes.others.update(stroke.kind for image in marked for stroke in image.strokes)
    gathering = Gathering(categories=categories, middle=0.5 if pixel_indices else 0.0, notes=notes)
    records: list[Record] = []
    num_objects = 0
    labelled = [image for image in marked if image.is_labelled]
    names = locate_exports(images, (image.name for image in labelled))
    located = list(_located(labelled, names, notes))
    if known in MAY_BE_FRACTIONS:
        located = in_pixels(located, pixel_indices, notes)
    for image, file, size in located:
        objects = gathering.objects(image, size, num_objects + 1)
        num_objects += len(objects)
        if objects or image.is_empty:
            height, width = size
            records.append(
                Record(
                    image_id=len(records) + 1,
                    file=file,
                    width=width,
                    height=height,
                    objects=objects,
                    annotated=None if objects else everywhere(height, width),
                )
            )
    return Imported(
        export_format=known,
        names=names,
        records=Records.from_rows(records, categories),
        num_left_out=len(marked) - len(records),
        num_joined=(gathering.num_parts, gathering.num_joined),
        others=notes.others,
        problems=notes.problems.worst_first(),
    )


def _located(
    images: Sequence[MarkedImage], names: Names, notes: Notes
) -> Iterator[tuple[MarkedImage, str, Size]]:
    """Yield the images, each with its name under their folder and its size."""

    def look(image: MarkedImage) -> tuple[str, Size] | ImageError:
        try:
            return _find(image, names)
        except ImageError as error:
            return error

    taken: dict[str, str] = {}
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        for image, found in zip(images, pool.map(look, images), strict=True):
            with notes.item(image.where):
                if isinstance(found, ImageError):
                    raise Unusable("image file", f"{found.file:.200}: {found.found}", found.wanted)
                file, size = found
                if file in taken:
                    raise Unusable(
                        "file used twice",
                        f"{file} is the file of {taken[file]} too",
                        "a file of its own; the points of the first were taken",
                    )
                taken[file] = image.where
                yield image, file, size


def _find(image: MarkedImage, names: Names) -> tuple[str, Size]:
    """Find the name of an image under the folder, and its size.  Raises ImageError."""
    lost = names.lost.get(image.name)
    if lost is not None:
        found = lost.found.replace(NO_FILE, f"{NO_FILE} under {names.images}")
        raise MissingImage(image.name, found, lost.wanted or "check --images, or the name")
    file = names.file(image.name)
    return file, read_size(image_uri(names.images, file), image.size)
