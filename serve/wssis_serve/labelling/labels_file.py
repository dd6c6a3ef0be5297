"""The COCO file that people label into: written whole after every change.

Whatever nobody touched stays as it was: unknown keys, outlines, and annotations that cannot be
read.  How far an image is labelled is said by its `annotated`: false for one that is not finished,
so that nobody learns its unlabelled objects as background.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any, NamedTuple

from upath import UPath

from ray_wssis.artifacts import hash_of_values
from ray_wssis.data.coco.class_ids import used_ids
from ray_wssis.data.coco.fields import whole_number
from ray_wssis.data.coco.file import LISTS, load_json
from ray_wssis.data.coco.images import image_name
from ray_wssis.data.coco.read import Rejected, records_from_coco
from ray_wssis.data.coco.write import coco_annotations, coco_categories, compact
from ray_wssis.data.images.names import locate_images
from ray_wssis.data.records import Category, Object, Record, named
from ray_wssis.data.survey.suggestions import is_suggested
from ray_wssis.storage import write_atomically

Entry = dict[str, Any]  # of an image or an annotation

SKIPPED = "skipped"
ABOUT_MASKS = ("score", "expected_iou", "flags")  # beside a mask, from whatever drew it
OWNED = {  # keys of an annotation that follow from its object
    *("id", "image_id", "category_id", "iscrowd", "point", "extra_points", "more_points"),
    *("negative_points", "keypoints", "num_keypoints", "segmentation", "bbox", "area"),
    *("alarms", "pseudo", *ABOUT_MASKS),
}


class State(StrEnum):
    """Progress with an image."""

    OPEN = "open"
    DONE = "done"
    SKIPPED = "skipped"


class Shown(NamedTuple):
    """The labels of an image, as a page shows them."""

    revision: str  # changes with everything else here
    state: State
    objects: list[Entry]  # annotations that can be read, masks as run lengths


class LabelsFile:
    """Labels by the names of images, in memory and on disk."""

    def __init__(self, file: UPath, images: str, categories: Sequence[Category] = ()) -> None:
        """Read `file`, or begin it with these categories.

        Raises ValueError for what is no COCO file, or one of classes that are not in `categories`.
        """
        self.file = file
        self.folder = images
        self.categories = tuple(categories)
        self.read()

    def read(self) -> None:
        """Take everything from the file."""
        self.stamp = self.stamp_now()
        data: dict[str, Any] = {"images": [], "annotations": [], "categories": []}
        if self.stamp is not None:
            data = load_json(self.file)
        self.rest = {key: value for key, value in data.items() if key not in LISTS}
        try:
            self.take_categories(data)
            self.take_entries(data)
        except ValueError as error:
            raise ValueError(f"{self.file}: {error}") from error

    def take_categories(self, data: dict[str, Any]) -> None:
        written = records_from_coco(data | {"images": [], "annotations": []}, "").categories
        self.categories = self.categories or written
        used = used_ids(data["annotations"])
        lost = [each for each in written if each not in self.categories and each.id in used]
        if lost:
            raise ValueError(
                f"class {lost[0].id} {lost[0].name!r} is none of those to label, "
                f"{named(self.categories)}; choose another file of labels"
            )

    def take_entries(self, data: Mapping[str, Any]) -> None:
        names = {}
        for entry in data["images"]:
            number, name = whole_number(entry, "id", "an image"), image_name(entry)
            if name is None:
                raise ValueError(f"image {number}: no file_name")
            names[number] = name
        files = locate_images(self.folder, names.values())
        self.images: dict[str, Entry] = {}
        for entry, name in zip(data["images"], names.values(), strict=True):
            if files.file(name) in self.images:
                raise ValueError(f"image {entry['id']}: {name!r:.200} occurs twice")
            self.images[files.file(name)] = entry
        self.annotations: dict[int, list[Entry]] = {number: [] for number in names}
        highest = 0
        for entry in data["annotations"]:
            number = whole_number(entry, "id", "an annotation")
            image = whole_number(entry, "image_id", f"annotation {number}")
            if is_suggested(entry):
                raise ValueError(
                    f"annotation {number} is a suggestion, no label; give the file as --suggestions"
                )
            self.annotations.setdefault(image, []).append(entry)
            highest = max(highest, number)
        self.next_annotation = highest + 1

    def stamp_now(self) -> tuple[int, int] | None:
        """Time and size of the file; None where there is none."""
        if not self.file.exists():
            return None
        found = self.file.stat()
        return int(getattr(found, "st_mtime_ns", 0)), int(found.st_size)

    def refresh(self) -> None:
        """Read the file again if somebody else wrote it."""
        if self.stamp_now() != self.stamp:
            self.read()

    def state(self, name: str) -> State:
        entry = self.images.get(name, {})
        annotated = entry.get("annotated")
        if annotated is False:
            return State.SKIPPED if entry.get(SKIPPED) is True else State.OPEN
        is_done = annotated is not None or self.num_objects(name) > 0
        return State.DONE if is_done else State.OPEN

    def num_objects(self, name: str) -> int:
        return len(self.annotations_of(name))

    def annotations_of(self, name: str) -> list[Entry]:
        entry = self.images.get(name)
        return [] if entry is None else self.annotations[int(entry["id"])]

    def shown(self, name: str) -> Shown:
        """The labels of an image; an image that is not in the file has none."""
        entries = self.annotations_of(name)
        revision = hash_of_values([self.images.get(name), entries]).removeprefix("sha256:")[:16]
        about = {
            int(entry["id"]): {key: entry[key] for key in ABOUT_MASKS if key in entry}
            for entry in entries
        }
        written = self.written(name, self.objects(name).values())
        return Shown(revision, self.state(name), [each | about[each["id"]] for each in written])

    def objects(self, name: str) -> dict[int, Object]:
        """The annotations of an image that can be read, by id."""
        entry = self.images.get(name)
        if entry is None:
            return {}
        rejected: list[Rejected] = []
        record = self.record(entry, self.annotations_of(name), rejected)
        return {obj.annotation_id: obj for obj in record.objects}

    def record(
        self, image: Entry, annotations: Sequence[Entry], rejected: list[Rejected] | None = None
    ) -> Record:
        data = {
            "images": [image],
            "annotations": annotations,
            "categories": coco_categories(self.categories),
        }
        (record,) = records_from_coco(data, "", rejected=rejected)
        return record

    def written(self, name: str, objects: Iterable[Object]) -> list[Entry]:
        """Make the annotations of objects of an image."""
        if name not in self.images:
            return []
        record = replace(self.record(self.images[name], ()), objects=tuple(objects))
        return list(coco_annotations(record, self.categories))

    def save(
        self, name: str, size: tuple[int, int], state: State, objects: Sequence[Entry]
    ) -> list[int]:
        """Give an image of `size` (height, width) these objects, and write the file.

        An object has an `id` if it has been saved before.  Returns the ids of all.  Raises
        ValueError, and changes nothing, for an object that cannot be read.
        """
        image = self.images.get(name) or self.new_image(name, size)
        old = {int(entry["id"]): entry for entry in self.annotations_of(name)}
        known = self.objects(name)
        numbers = self.numbers(objects, old)
        sent = [
            entry | {"id": number, "image_id": image["id"], "iscrowd": is_crowd(known.get(number))}
            for number, entry in zip(numbers, objects, strict=True)
        ]
        new = self.record(image, sent).objects
        if len(new) < len(sent):
            raise ValueError("a mask has no area; draw one, or keep the point alone")
        self.images[name] = with_state(image, state)
        merged = [entry for number, entry in old.items() if number not in known]
        for obj, entry, written in zip(new, sent, self.written(name, new), strict=True):
            number = obj.annotation_id
            if obj == known.get(number):
                merged.append(old[number])
                continue
            rest = {key: value for key, value in old.get(number, {}).items() if key not in OWNED}
            beside = {key: entry[key] for key in ABOUT_MASKS if key in entry and obj.mask}
            merged.append(rest | written | beside)
        self.annotations[int(image["id"])] = merged
        self.next_annotation = max([self.next_annotation, *(number + 1 for number in numbers)])
        self.write()
        return numbers

    def new_image(self, name: str, size: tuple[int, int]) -> Entry:
        number = max((int(entry["id"]) for entry in self.images.values()), default=0) + 1
        return {"id": number, "file_name": name, "width": size[1], "height": size[0]}

    def numbers(self, objects: Sequence[Entry], old: Mapping[int, Entry]) -> list[int]:
        """Ids of objects: those that they have, of this image or of one deleted before, or new."""
        elsewhere = {
            int(entry["id"]) for entries in self.annotations.values() for entry in entries
        } - old.keys()
        numbers: list[int] = []
        following = self.next_annotation
        for entry in objects:
            number = int(entry.get("id", 0))
            if not 0 < number < self.next_annotation or number in elsewhere or number in numbers:
                number, following = following, following + 1
            numbers.append(number)
        return numbers

    def write(self) -> None:
        write_atomically(self.file, compact(self.data()).encode())
        self.stamp = self.stamp_now()

    def data(self) -> dict[str, Any]:
        return self.rest | {
            "images": list(self.images.values()),
            "annotations": [entry for each in self.annotations.values() for entry in each],
            "categories": coco_categories(self.categories),
        }


def is_crowd(obj: Object | None) -> int:
    return int(obj is not None and obj.crowd)


def with_state(image: Entry, state: State) -> Entry:
    """The entry of an image that is labelled so far; a part that somebody looked at is kept."""
    rest = {key: value for key, value in image.items() if key != SKIPPED}
    if state is State.DONE:
        annotated = image.get("annotated")
        return rest | {"annotated": annotated or True}
    return rest | {"annotated": False} | ({SKIPPED: True} if state is State.SKIPPED else {})
