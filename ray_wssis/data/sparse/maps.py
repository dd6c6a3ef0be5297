"""Sparse class maps as files: PNGs with the values of the classes where somebody annotated.

They have the names of their images, or those of Cityscapes: `CITY_000000_000019_leftImg8bit.png`
belongs to `CITY_000000_000019_gtFine_labelIds.png` or `..._gtFine_labelTrainIds.png`.  Values of
the latter are labels, 0 to 18.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from posixpath import splitext

from ray_wssis.data.class_maps.cityscapes import IMAGE_END, MAP_END, TRAIN_IDS_END
from ray_wssis.data.class_maps.classes import Classes
from ray_wssis.data.class_maps.folder import files_by_stem
from ray_wssis.data.class_maps.pairs import (
    Fault,
    Pair,
    Seen,
    look_at,
    note_faults,
    note_odd_values,
)
from ray_wssis.data.class_maps.png import UNKNOWN
from ray_wssis.data.images.listing import list_files
from ray_wssis.data.images.read import image_uri
from ray_wssis.data.problem import Problems
from ray_wssis.data.records import Records
from ray_wssis.data.sparse.images import find_images
from ray_wssis.storage import locate

OTHER_VALUES = "sparse_labels.not_annotated names one more value that says nothing"


def is_folder_of_maps(place: str) -> bool:
    """Tell whether a place is a folder with PNGs and without files of labelling tools.

    Raises ValueError for a place where there is nothing, and for a folder of other files.
    """
    folder = locate(place)
    if not folder.exists():
        raise ValueError(f"{place}: there are no sparse labels, neither a folder nor a file")
    if not folder.is_dir():
        return False
    ends = {splitext(file)[1].casefold() for file in list_files(str(folder))}
    if not ends & {".png", ".json", ".xml"}:
        raise ValueError(
            f"{place}: no sparse labels in the folder; PNG, JSON or XML files are read"
        )
    return not ends & {".json", ".xml"}


def read_maps(
    folder: str, records: Records, not_annotated: int, problems: Problems
) -> Iterator[tuple[int, bytes]]:
    """Yield the places of images among the records, and their sparse maps as PNGs of labels.

    A value is the category id of a class, or 255 or `not_annotated`, which say nothing.  Maps of
    other images are counted, files that are none are noted in `problems`.  Raises ValueError where
    `not_annotated` is the value of a class.
    """
    files = list(files_by_stem(folder, problems).values())
    classes = _classes(files, records, not_annotated)
    by_name = {_image_of(file): file for file in files}
    found = find_images(list(by_name), records, folder, problems)

    def look(each: tuple[str, int]) -> Seen | Fault:
        name, place = each
        record = records[place]
        pair = Pair(record.file, image_uri(folder, by_name[name]))
        return look_at(record.image_id, pair, classes)

    with ThreadPoolExecutor(4 * (os.cpu_count() or 1)) as pool:
        looks = list(pool.map(look, found.items()))
    seen = [each for each in looks if isinstance(each, Seen)]
    note_faults([each for each in looks if isinstance(each, Fault)], len(looks), problems)
    note_odd_values(seen, len(looks), classes, problems, OTHER_VALUES)
    for place, each in zip(found.values(), looks, strict=True):
        if isinstance(each, Seen):
            assert each.record.class_map is not None
            yield place, each.record.class_map


def _classes(files: Sequence[str], records: Records, not_annotated: int) -> Classes:
    """Tell which values are classes: ids of categories, or labels in files of train ids."""
    categories = records.categories
    if files and all(file.endswith(TRAIN_IDS_END) for file in files):
        categories = tuple(replace(entry, id=label) for label, entry in enumerate(categories))
    taken = next((entry for entry in categories if entry.id == not_annotated), None)
    if taken is not None:
        raise ValueError(
            f"sparse_labels.not_annotated is {not_annotated}, the value of the class {taken.name}: "
            "give the value of pixels that nobody annotated"
        )
    if not all(0 <= entry.id < UNKNOWN for entry in categories):
        raise ValueError(
            f"the categories have ids up to {categories[-1].id}, and a PNG has values from 0 to "
            f"{UNKNOWN - 1}: give categories smaller ids, or other files than PNGs"
        )
    return Classes(categories=categories, unknown=frozenset({UNKNOWN, not_annotated}))


def _image_of(file: str) -> str:
    """Return the name of the image of a sparse map, without a suffix."""
    for end in (MAP_END, TRAIN_IDS_END):
        if file.endswith(end):
            return splitext(file.removesuffix(end) + IMAGE_END)[0]
    return splitext(file)[0]
