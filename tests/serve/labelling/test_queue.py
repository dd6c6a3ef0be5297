"""Labels of a folder of images: nothing of anybody is lost."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from wssis_serve.errors import ApiError
from wssis_serve.labelling.queue import Queue

from ray_wssis import masks
from ray_wssis.data.coco.read import read_coco
from ray_wssis.data.records import Category

CLASSES = (Category(id=1, name="cat"), Category(id=4, name="dog"))
NAMES = ["a.png", "b.png", "deep/c.png"]

Json = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images of 20 x 10 pixels."""
    (tmp_path / "images/deep").mkdir(parents=True)
    for name in NAMES:
        Image.new("RGB", (20, 10)).save(tmp_path / "images" / name)
    return tmp_path / "images"


def queue_of(folder: Path) -> Queue:
    return Queue(str(folder), None, CLASSES)


def stored(folder: Path) -> Json:
    data: Json = json.loads((folder / "labels.json").read_text())
    return data


def rle(x0: int, y0: int, x1: int, y1: int) -> Json:
    mask = np.zeros((10, 20), dtype=bool)
    mask[y0:y1, x0:x1] = True
    return {"size": [10, 20], "counts": masks.encode(mask).decode()}


def save(queue: Queue, name: str, *objects: Json, state: str = "open", **more: Any) -> Json:
    wanted = {"revision": queue.get(name)["revision"], "state": state, "window": "w", "change": 1}
    return queue.save(name, wanted | {"objects": list(objects)} | more)


def test_what_is_saved_is_in_the_file_and_there_after_a_restart(folder: Path) -> None:
    queue = queue_of(folder)
    assert [image["name"] for image in queue.overview()["images"]] == NAMES
    assert not (folder / "labels.json").exists()
    point = {"category_id": 4, "point": [3.5, 2], "negative_points": [[1, 1]]}
    mask = {"category_id": 1, "segmentation": rle(5, 2, 9, 6), "score": 0.5, "flags": ["ring"]}
    saved = save(queue, "deep/c.png", point, mask)
    assert [entry["id"] for entry in saved["objects"]] == [1, 2]

    again = queue_of(folder)
    assert again.get("deep/c.png") == saved | {"saves": []}
    assert saved["objects"][1] | mask == saved["objects"][1]
    assert saved["objects"][1]["bbox"] == [5, 2, 4, 4]
    [record] = read_coco(str(folder / "labels.json"), str(folder))
    assert record.file == str(folder / "deep/c.png")
    assert [obj.point for obj in record.objects] == [(3.5, 2), None]
    assert [(click.x, click.y, click.positive) for click in record.objects[0].clicks] == [
        (1, 1, False)
    ]


def test_the_state_of_an_image_says_whether_somebody_looked_at_all_of_it(folder: Path) -> None:
    queue = queue_of(folder)
    save(queue, "a.png", {"category_id": 1, "point": [1, 1]})
    assert queue.get("a.png")["state"] == "open"
    assert stored(folder)["images"][0]["annotated"] is False  # no background to learn yet
    save(queue, "a.png", state="done")
    save(queue, "b.png", state="skipped")
    states = {image["name"]: image["state"] for image in queue.overview()["images"]}
    assert states == {"a.png": "done", "b.png": "skipped", "deep/c.png": "open"}
    assert [image["annotated"] for image in stored(folder)["images"]] == [True, False]
    save(queue, "b.png", state="done")
    assert "skipped" not in stored(folder)["images"][1]


def test_a_stale_save_is_refused_and_changes_nothing(folder: Path) -> None:
    queue = queue_of(folder)
    begun = queue.get("a.png")["revision"]
    one, other = {"category_id": 1, "point": [1, 1]}, {"category_id": 4, "point": [2, 2]}
    first = save(queue, "a.png", one, revision=begun, window="one")
    with pytest.raises(ApiError, match=r"by another window \d+ s ago and has 1 ob"):
        save(queue, "a.png", other, other, revision=begun, window="two")
    assert queue.get("a.png") == first
    # The answer to the first save was lost, and it is sent again.
    assert save(queue, "a.png", one, revision=begun, window="one") == first
    both = save(queue, "a.png", *first["objects"], other, revision=first["revision"])
    assert [entry["category_id"] for entry in both["objects"]] == [1, 4]


def test_labels_say_what_each_window_saved_last(folder: Path) -> None:
    queue = queue_of(folder)
    point = {"category_id": 1, "point": [1, 1]}
    one = save(queue, "a.png", point, window="one", change=3)
    two = save(queue, "a.png", window="two", change=1)
    save(queue, "b.png", point, window="one", change=8)
    assert queue.get("a.png")["saves"] == [
        {"window": "one", "change": 3, "revision": one["revision"]},
        {"window": "two", "change": 1, "revision": two["revision"]},
    ]
    with pytest.raises(ApiError, match="by another window"):
        save(queue, "a.png", point, window="one", change=4, revision=one["revision"])
    again = save(queue, "a.png", point, point, window="one", change=5)
    assert [(each["window"], each["change"]) for each in again["saves"]] == [("two", 1), ("one", 5)]


def test_whatever_nobody_touched_stays_as_it_was(folder: Path) -> None:
    outline = [[2, 2, 8, 2, 8, 6, 2, 6]]
    entries: list[Json] = [
        {"id": 7, "image_id": 3, "category_id": 1, "segmentation": outline, "note": "mine"},
        {"id": 8, "image_id": 3, "category_id": 1, "segmentation": "unreadable"},
        {"id": 9, "image_id": 5, "category_id": 4, "point": [1, 1], "more": [1]},
    ]
    images: list[Json] = [
        {"id": 3, "file_name": "a.png", "width": 20, "height": 10, "camera": "x"},
        {"id": 5, "file_name": "c.png", "width": 20, "height": 10},
    ]
    data = {"info": {"by": "me"}, "images": images, "annotations": entries}
    data |= {"categories": [{"id": 1, "name": "cat"}, {"id": 4, "name": "dog"}]}
    (folder / "labels.json").write_text(json.dumps(data))
    queue = queue_of(folder)
    shown = queue.get("a.png")
    assert shown["state"] == "done"
    assert shown["objects"][0]["segmentation"] == rle(2, 2, 8, 6)
    assert queue.get("deep/c.png")["objects"][0]["point"] == [1, 1]  # a folder was left out

    new = {"category_id": 4, "point": [15, 5]}
    saved = save(queue, "a.png", *shown["objects"], new, state="done")
    assert [entry["id"] for entry in saved["objects"]] == [7, 10]
    after = stored(folder)
    assert after["info"] == {"by": "me"}
    assert after["images"] == [images[0] | {"annotated": True}, images[1]]
    written = {entry["id"]: entry for entry in after["annotations"]}
    assert [written[number] for number in (7, 8, 9)] == entries

    moved = shown["objects"][0] | {"segmentation": rle(0, 0, 3, 3)}
    save(queue, "a.png", moved, state="done")
    changed = {entry["id"]: entry for entry in stored(folder)["annotations"]}
    assert changed.keys() == {7, 8, 9}
    assert (changed[7]["note"], changed[7]["area"]) == ("mine", 9)
    save(queue, "a.png", shown["objects"][0], new | {"id": 10}, state="done")  # undone
    assert {entry["id"] for entry in stored(folder)["annotations"]} == {7, 8, 9, 10}


def test_a_file_that_somebody_else_wrote_is_read_again(folder: Path) -> None:
    one, other = queue_of(folder), queue_of(folder)
    save(one, "a.png", {"category_id": 1, "point": [1, 1]})
    save(other, "b.png", {"category_id": 1, "point": [2, 1]})
    assert [entry["id"] for entry in one.get("b.png")["objects"]] == [2]
    with pytest.raises(ApiError, match="by somebody and has 1 objects"):
        save(one, "b.png", revision="0" * 16)


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        ({"category_id": 2, "point": [1, 1]}, "there is no category 2"),
        ({"category_id": 1, "point": [20, 1]}, "outside the 20 x 10 image"),
        ({"category_id": 1, "segmentation": {"size": [9, 9], "counts": "0"}}, "made for"),
        ({"category_id": 1, "segmentation": {"size": [10, 20], "counts": "zzz"}}, "annotation 1"),
        ({"category_id": 1}, "annotation 1"),
    ],
)
def test_what_cannot_be_read_is_refused(folder: Path, wanted: Json, complaint: str) -> None:
    queue = queue_of(folder)
    with pytest.raises(ApiError, match=complaint) as refused:
        save(queue, "a.png", wanted)
    assert refused.value.status == 422
    assert queue.get("a.png")["objects"] == []


def test_a_disk_that_is_full_loses_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = queue_of(folder)
    wanted = {"category_id": 1, "point": [1, 1]}
    with monkeypatch.context() as full:

        def write(*_: Any) -> None:
            raise OSError(28, "No space left on device")

        full.setattr("wssis_serve.labelling.labels_file.write_atomically", write)
        with pytest.raises(ApiError, match="No space left") as refused:
            save(queue, "a.png", wanted)
    assert refused.value.status == 503
    assert queue.get("a.png")["objects"] == []
    assert len(save(queue, "a.png", wanted)["objects"]) == 1
    assert len(stored(folder)["annotations"]) == 1


def test_only_images_of_the_folder_are_known(folder: Path) -> None:
    (folder.parent / "secret.png").write_bytes((folder / "a.png").read_bytes())
    queue = queue_of(folder)
    for name in ("../secret.png", str(folder / "a.png"), "labels.json", "", "a.png/", "./a.png"):
        with pytest.raises(ApiError, match="none of the images"):
            queue.image(name)
        with pytest.raises(ApiError, match="none of the images"):
            queue.get(name)


def test_a_queue_that_cannot_be_labelled_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="there are no images"):
        Queue(str(tmp_path / "empty"), None, CLASSES)
    with pytest.raises(ValueError, match="no file can be written there"):
        Queue(str(folder), str(tmp_path / "nowhere/labels.json"), CLASSES)
    save(queue_of(folder), "a.png", {"category_id": 4, "point": [1, 1]})
    with pytest.raises(ValueError, match="class 4 'dog' is none of those to label"):
        Queue(str(folder), None, CLASSES[:1])
