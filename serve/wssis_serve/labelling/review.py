"""The worst pseudo masks of a run, judged by people one after the other, and their corrections.

The audit lists these masks.  Every decision is written at once to a file that `merge.corrections`
reads: an accepted mask is confirmed, a fixed one replaced, a deleted one is no object.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from threading import RLock
from typing import Any

from upath import UPath

from ray_wssis.artifacts import hash_of_values
from ray_wssis.data.coco.fields import read_mask
from ray_wssis.data.coco.file import load_json
from ray_wssis.data.coco.write import coco_mask, compact
from ray_wssis.data.corrections.read import CORRECTED, DELETED
from ray_wssis.instance.audit import REVIEW
from ray_wssis.storage import Place, locate, write_atomically
from wssis_serve.errors import ApiError, unprocessable

CORRECTIONS = "corrections.json"  # in the folder of the run
DIGITS = 2  # of the expected IoU, as people see it: masks that share them are equally bad

Entry = dict[str, Any]


class Review:
    """Masks to judge.  Only one process at a time may have those of a run.

    Methods raise ApiError for mistakes of a caller.  They read files, so they may take a moment.
    """

    def __init__(self, run: Place) -> None:
        """Raises ValueError for a run without an audit, or one that found nothing to look at."""
        self.run = locate(run)
        source = self.run / "audit" / REVIEW
        if not source.exists():
            raise ValueError(f"{run}: there are no masks to review ({source} does not exist)")
        data = load_json(source)
        self.categories = data["categories"]
        self.images: dict[int, Entry] = {entry["id"]: entry for entry in data["images"]}
        self.masks: dict[int, Entry] = {entry["id"]: entry for entry in worst_first(data)}
        if not self.masks:
            raise ValueError(f"{run}: there are no masks to review; {source} lists none")
        self.file: UPath = self.run / CORRECTIONS
        self.decided: dict[int, Entry] = {}
        self.other: dict[str, Any] = {"images": [], "annotations": []}  # of earlier reviews
        if self.file.exists():
            self.read(load_json(self.file))
        self.lock = RLock()

    def read(self, data: Mapping[str, Any]) -> None:
        """Take over earlier decisions; those about masks that are not listed any more are kept."""
        self.decided = {
            entry["id"]: entry for entry in data["annotations"] if entry["id"] in self.masks
        }
        self.other = {
            "images": [entry for entry in data["images"] if entry["id"] not in self.images],
            "annotations": [
                entry for entry in data["annotations"] if entry["id"] not in self.masks
            ],
        }

    def overview(self) -> dict[str, Any]:
        """All masks, the worst first, and what was decided about them."""
        with self.lock:
            return {
                "id": str(self.file),
                "classes": self.categories,
                "masks": [self.shown(number) for number in self.masks],
                "command": self.command,
            }

    @property
    def command(self) -> str:
        """The command that learns from the corrections."""
        return f"wssis run --out {self.run} --redo --set 'merge.corrections=[{self.file}]'"

    def shown(self, number: int) -> dict[str, Any]:
        mask = self.masks[number]
        image, decision = self.images[mask["image_id"]], self.decided.get(number)
        state = "open" if decision is None else "deleted" if DELETED in decision else "done"
        kept = {} if decision is None or DELETED in decision else decision
        return {
            "name": f"{image['file_name'].rpartition('/')[2]}, {number}",
            "state": state,
            "revision": revision_of(decision),
            "annotation": mask | kept,
        }

    def image(self, number: int) -> str:
        """The place of the image of a mask."""
        return str(self.images[self.known(number)["image_id"]]["file_name"])

    def decide(self, number: int, wanted: dict[str, Any]) -> dict[str, Any]:
        """Write a decision, unless somebody else decided in the meantime.

        `wanted` has `revision`, the one that was read, and `decision`: accept, fix (with
        `segmentation` and `category_id`), delete or undo.  Returns the mask as it is shown then.
        """
        with self.lock:
            mask, before = self.known(number), self.decided.get(number)
            after = self.decision(mask, wanted)
            if revision_of(before) not in (wanted["revision"], revision_of(after)):
                what = "deleted" if before and DELETED in before else "corrected"
                text = f"somebody else {what} mask {number} meanwhile; your change is not saved"
                raise ApiError(409, "conflict", text)
            if after is None:
                self.decided.pop(number, None)
            else:
                self.decided[number] = after
            try:
                write_atomically(self.file, compact(self.data()).encode())
            except OSError as error:
                self.decided.pop(number, None)
                self.decided |= {} if before is None else {number: before}
                text = f"the corrections could not be written: {error.strerror or error}"
                raise ApiError(503, "not_saved", text, 5) from error
            return self.shown(number)

    def decision(self, mask: Entry, wanted: dict[str, Any]) -> Entry | None:
        """The annotation of a decision in the file of corrections; None for none."""
        ids = {key: mask[key] for key in ("id", "image_id", "category_id")}
        drawn = {key: mask[key] for key in ("segmentation", "bbox", "area")}
        match wanted["decision"]:
            case "undo":
                return None
            case "delete":
                return ids | {DELETED: True}
            case "fix":
                ids["category_id"] = self.known_class(wanted.get("category_id"))
                drawn = self.drawn(mask, wanted.get("segmentation"))
        return ids | {"iscrowd": 0} | drawn | {CORRECTED: True}

    def drawn(self, mask: Entry, segmentation: Any) -> Entry:
        image = self.images[mask["image_id"]]
        size = image["height"], image["width"]
        try:
            counts = read_mask(segmentation, *size)
        except ValueError as error:
            raise unprocessable(f"mask {mask['id']}: {error}") from error
        found = {} if counts is None else coco_mask(counts, *size)
        if not found.get("area"):
            raise unprocessable(f"mask {mask['id']}: it is empty; draw one, or delete it")
        return found

    def known_class(self, number: int | None) -> int:
        if number not in [entry["id"] for entry in self.categories]:
            raise unprocessable(f"there is no class {number}")
        assert number is not None
        return number

    def known(self, number: int) -> Entry:
        if number not in self.masks:
            raise ApiError(404, "not_found", f"{number} is none of the masks to review")
        return self.masks[number]

    def whole(self) -> bytes:
        """The file of corrections."""
        with self.lock:
            return compact(self.data()).encode()

    def data(self) -> dict[str, Any]:
        used = {entry["image_id"] for entry in self.decided.values()}
        return {
            "info": {"description": "corrections of pseudo masks, for merge.corrections"},
            "images": [
                *self.other["images"],
                *(image for number, image in self.images.items() if number in used),
            ],
            "annotations": [*self.other["annotations"], *self.decided.values()],
            "categories": self.categories,
        }


def worst_first(data: Mapping[str, Any]) -> list[Entry]:
    """Sort masks by expected IoU as it is shown, those without one last.

    Among equals, kinds (class and flags) take turns, each with its largest mask first: a large
    wrong mask spoils more, and ten alike teach less than one of each.
    """
    masks: Sequence[Entry] = data["annotations"]
    turns: Counter[Any] = Counter()

    def expected(entry: Entry) -> float:
        value = entry.get("expected_iou")
        return 2.0 if value is None else round(value, DIGITS)

    def key(entry: Entry) -> tuple[float, int, int, int]:
        kind = expected(entry), entry["category_id"], tuple(entry.get("flags", ()))
        turns[kind] += 1
        return expected(entry), turns[kind], -entry["area"], entry.get("rank", 0)

    largest_first = sorted(masks, key=lambda entry: (-entry["area"], entry.get("rank", 0)))
    keys = {entry["id"]: key(entry) for entry in largest_first}
    return sorted(largest_first, key=lambda entry: keys[entry["id"]])


def revision_of(decision: Entry | None) -> str:
    return hash_of_values(decision).removeprefix("sha256:")[:16]
