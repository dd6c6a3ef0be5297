"""A folder of images and a folder of class maps with the same names.

`images/a/1.jpg` belongs to `class_maps/a/1.png`.  Images without a map are allowed: somebody may
know their tags.
"""

from collections.abc import Sequence
from posixpath import splitext

from upath import UPath

from ray_wssis.data.class_maps.classes import read_classes
from ray_wssis.data.class_maps.pairs import Pair, read_pairs
from ray_wssis.data.images.folder import list_images
from ray_wssis.data.images.listing import nearest_files
from ray_wssis.data.images.read import image_uri
from ray_wssis.data.problem import Problems
from ray_wssis.data.records import Records
from ray_wssis.storage import Place, locate


def read_folder(
    images: Place, class_maps: Place, classes: str | Sequence[str], problems: Problems
) -> Records:
    """Read all images in a folder, sorted by name, and the class maps that exist.

    `classes` is a file or the names, see `read_classes`.  What is wrong with files is noted in
    `problems`; raises ValueError for classes that cannot be read.
    """
    known = read_classes(classes)
    image_folder, map_folder = str(locate(images)), str(locate(class_maps))
    image_of = files_by_stem(image_folder, problems)
    map_of = files_by_stem(map_folder, problems)
    if not image_of or not map_of:
        return Records.from_rows([], known.categories)
    _note_unpaired(image_of, map_of, (image_folder, map_folder), problems)
    pairs = [
        Pair(
            image_uri(image_folder, image),
            image_uri(map_folder, map_of[stem]) if stem in map_of else None,
        )
        for stem, image in image_of.items()
    ]
    return read_pairs(pairs, known, problems)


def files_by_stem(folder: str, problems: Problems) -> dict[str, str]:
    """List the images in a folder, by path without suffix, sorted."""
    files = list_images(folder)
    if not files:
        what = "no image in it" if UPath(folder).is_dir() else "there is no such folder"
        problems.add("error", "empty folder", folder, what, "a folder of images")
    found: dict[str, str] = {}
    twice = [name for name in files if found.setdefault(splitext(name)[0], name) != name]
    if twice:
        first = found[splitext(twice[0])[0]]
        text = f"{len(twice)} files differ from another one in their suffix alone: also {first}"
        problems.add("error", "name used twice", twice[0], text, "one file for each name")
    return found


def _note_unpaired(
    image_of: dict[str, str], map_of: dict[str, str], folders: tuple[str, str], problems: Problems
) -> None:
    """Report images without a class map and class maps without an image."""
    lone_images = [name for stem, name in image_of.items() if stem not in map_of]
    lone_maps = [name for stem, name in map_of.items() if stem not in image_of]
    if len(lone_maps) == len(map_of):
        found = (
            f"none of the {len(map_of)} class maps in {folders[1]} has the name of one of the "
            f"{len(image_of)} images, for instance {lone_maps[0]} and {lone_images[0]}"
        )
        wanted = "the same names, apart from the suffix"
        problems.add("error", "map without image", folders[0], found, wanted)
        return
    if lone_maps:
        near = nearest_files(lone_maps[:1], lone_images).get(lone_maps[0])
        found = f"{len(lone_maps)} of {len(map_of)} class maps have no image"
        wanted = f"an image of that name; the nearest is {near}" if near else "an image"
        problems.add("warning", "map without image", lone_maps[0], found, wanted)
    if lone_images:
        found = f"{len(lone_images)} of {len(image_of)} images have no class map"
        wanted = "nothing: they are weak images"
        problems.add("info", "image without map", lone_images[0], found, wanted)
