"""Strokes and tags of a folder of images: nothing of anybody is lost, and a run reads them."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from wssis_serve.config import ServeConfig
from wssis_serve.errors import ApiError
from wssis_serve.label_page import strokes_page
from wssis_serve.labelling.opened import answer_of
from wssis_serve.labelling.strokes import StrokesQueue

from ray_wssis import masks
from ray_wssis.data.class_maps.folder import read_folder
from ray_wssis.data.class_maps.png import UNKNOWN, decode
from ray_wssis.data.class_maps.tags import read_tags
from ray_wssis.data.problem import Problems
from ray_wssis.data.records import Category
from ray_wssis.data.sparse.config import SparseLabelsConfig
from ray_wssis.data.sparse.given import with_given_labels

CLASSES = (
    Category(id=0, name="background"),
    Category(id=3, name="crop"),
    Category(id=7, name="weed"),
)
NAMES = ["a.png", "b.png", "deep/c.jpg"]

Json = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images of 20 x 10 pixels."""
    (tmp_path / "images/deep").mkdir(parents=True)
    for name in NAMES:
        Image.new("RGB", (20, 10)).save(tmp_path / "images" / name)
    return tmp_path / "images"


def queue_of(folder: Path) -> StrokesQueue:
    return StrokesQueue(str(folder), None, CLASSES)


def stroke(name: str, x0: int, y0: int, x1: int, y1: int) -> Json:
    mask = np.zeros((10, 20), dtype=bool)
    mask[y0:y1, x0:x1] = True
    return {
        "class": name,
        "segmentation": {"size": [10, 20], "counts": masks.encode(mask).decode()},
    }


def save(queue: StrokesQueue, name: str, *strokes: Json, **more: Any) -> Json:
    wanted = {"revision": queue.strokes(name)["revision"], "state": "open", "tags": []}
    by = {"window": "w", "change": 1}
    return queue.save_strokes(name, wanted | by | {"strokes": list(strokes)} | more)


def values(folder: Path, name: str) -> Any:
    return np.array(Image.open(folder.parent / "images_labels/class_maps" / name))


def test_what_is_saved_is_in_the_files_and_there_after_a_restart(folder: Path) -> None:
    queue = queue_of(folder)
    assert [image["name"] for image in queue.overview()["images"]] == NAMES
    assert not (folder.parent / "images_labels").exists()
    crop, weed = stroke("crop", 2, 1, 9, 3), stroke("weed", 12, 5, 20, 10)
    saved = save(queue, "deep/c.jpg", crop, weed, tags=["weed", "crop"])
    assert saved["strokes"] == [crop, weed]
    assert saved["tags"] == ["crop", "weed"]  # in the order of the classes
    drawn = values(folder, "deep/c.png")
    assert (drawn[1:3, 2:9] == 3).all()
    assert (drawn[5:, 12:] == 7).all()
    assert (drawn == UNKNOWN).sum() == 200 - 14 - 40

    again = queue_of(folder)
    assert again.strokes("deep/c.jpg") == saved | {"saves": []}
    assert again.overview()["images"][2] == {"name": "deep/c.jpg", "state": "open", "num_labels": 2}


def test_a_run_reads_the_strokes_and_the_tags_of_what_is_done(folder: Path) -> None:
    queue = queue_of(folder)
    save(
        queue, "a.png", stroke("crop", 0, 0, 5, 5), stroke("background", 9, 0, 15, 5), tags=["weed"]
    )
    save(queue, "a.png", stroke("crop", 0, 0, 5, 5), tags=["weed"], state="done")
    save(queue, "b.png", state="done")
    save(queue, "deep/c.jpg", tags=["crop"])
    labels = folder.parent / "images_labels"
    assert (labels / "tags.csv").read_text() == "a.png,crop;weed\nb.png,\n"
    problems = Problems()
    classes = str(labels / "classes.txt")
    records = read_folder(str(folder), str(labels / "class_maps"), classes, problems)
    config = SparseLabelsConfig(labels=(str(labels / "class_maps"),))
    sparse = with_given_labels(records, config, problems)
    [drawn] = [record for record in sparse if record.class_map is not None]
    assert drawn.file.endswith("a.png")
    assert (decode(drawn.class_map or b"")[:5, :5] == 1).all()
    tags = read_tags(str(labels / "tags.csv"), records, problems)
    by_name = {record.file.rpartition("/")[2]: tags.get(record.image_id) for record in records}
    assert by_name["a.png"] == (0, 1, 2)


def test_strokes_that_are_erased_leave_no_file(folder: Path) -> None:
    queue = queue_of(folder)
    save(queue, "a.png", stroke("crop", 0, 0, 5, 5))
    assert (folder.parent / "images_labels/class_maps/a.png").exists()
    save(queue, "a.png")
    assert not (folder.parent / "images_labels/class_maps/a.png").exists()
    assert queue_of(folder).strokes("a.png")["strokes"] == []


def test_a_stale_save_is_refused_and_the_same_one_is_not(folder: Path) -> None:
    queue = queue_of(folder)
    begun = queue.strokes("a.png")["revision"]
    saved = save(queue, "a.png", stroke("crop", 0, 0, 5, 5), revision=begun)
    assert save(queue, "a.png", stroke("crop", 0, 0, 5, 5), revision=begun) == saved
    with pytest.raises(ApiError, match=r"by this window 1 s ago and has 1 class \(open\)") as told:
        save(queue, "a.png", stroke("weed", 0, 0, 5, 5), revision=begun)
    assert told.value.status == 409
    assert queue.strokes("a.png") == saved
    own = {"window": "w", "change": 1, "revision": saved["revision"]}
    assert saved["saves"] == [own]  # so a window knows which of its changes are here


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (
            {"strokes": [stroke("crob", 0, 0, 2, 2)]},
            "class 'crob' is none of background, crop, weed",
        ),
        ({"tags": ["crob"]}, "class 'crob' is none of background, crop, weed"),
        (
            {"strokes": [{"class": "crop", "segmentation": {"size": [5, 5], "counts": "0"}}]},
            r"strokes are on \[5, 5\] pixels, .* and the image has \[10, 20\]",
        ),
        (
            {"strokes": [{"class": "crop", "segmentation": {"size": [10, 20], "counts": "1"}}]},
            "1 pixels",
        ),
    ],
)
def test_what_cannot_be_kept_is_refused(folder: Path, wanted: Json, words: str) -> None:
    queue = queue_of(folder)
    with pytest.raises(ApiError, match=words) as told:
        save(queue, "a.png", **wanted)
    assert told.value.status == 422
    assert not (folder.parent / "images_labels").exists()


def test_an_unknown_image_and_a_method_for_objects_are_not_found(folder: Path) -> None:
    queue = queue_of(folder)
    for method, words in (("strokes", "none of the images"), ("get", "strokes and tags")):
        with pytest.raises(ApiError, match=words) as told:
            answer_of(queue, method, "nowhere.png")
        assert told.value.status == 404


def test_files_of_others_are_a_beginning(folder: Path) -> None:
    save(queue_of(folder), "a.png", stroke("weed", 0, 0, 5, 5))
    labels = folder.parent / "images_labels"
    (labels / "progress.json").unlink()
    (labels / "tags.csv").write_text("file,tags\nb.png,crop\nb.png,weed\n")
    queue = queue_of(folder)
    states = [(each["state"], each["num_labels"]) for each in queue.overview()["images"]]
    assert states == [("open", 1), ("done", 2), ("open", 0)]
    save(queue, "a.png", state="done")
    assert (labels / "tags.csv").read_text() == "a.png,\nb.png,crop;weed\n"


def test_classes_are_added_and_none_is_lost(folder: Path) -> None:
    config = ServeConfig(model=str(folder), queue=str(folder))
    _, queue = strokes_page(config, "background,crop")
    save(queue, "a.png", stroke("crop", 0, 0, 5, 5))
    _, queue = strokes_page(config, "weed")
    assert [each["name"] for each in queue.overview()["classes"]] == ["background", "crop", "weed"]
    save(queue, "a.png", stroke("weed", 0, 0, 5, 5))
    assert (folder.parent / "images_labels/classes.txt").read_text() == (
        "0,background\n1,crop\n2,weed\n"
    )
    with pytest.raises(ValueError, match="class 'background' is none of those to label"):
        StrokesQueue(str(folder), None, CLASSES[1:])


def test_classes_and_names_that_cannot_be_kept_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="no room for a semicolon"):
        StrokesQueue(str(folder), None, [Category(id=0, name="a;b")])
    with pytest.raises(ValueError, match="there are no classes"):
        StrokesQueue(str(folder), None)
    Image.new("RGB", (20, 10)).save(folder / "a.jpg")
    with pytest.raises(ValueError, match=r"a.jpg and a.png need different names before"):
        queue_of(folder)


def test_ids_that_no_byte_holds_are_numbered_in_turn(folder: Path) -> None:
    queue = StrokesQueue(
        str(folder), None, [Category(id=900, name="x"), Category(id=901, name="y")]
    )
    save(queue, "a.png", stroke("y", 0, 0, 1, 1))
    assert (folder.parent / "images_labels/classes.txt").read_text() == "0,x\n1,y\n"
    assert values(folder, "a.png")[0, 0] == 1


def test_the_archive_holds_what_a_run_reads(folder: Path) -> None:
    queue = queue_of(folder)
    save(queue, "deep/c.jpg", stroke("crop", 0, 0, 5, 5), state="done")
    data, kind = queue.whole()
    assert kind == "application/zip"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert set(archive.namelist()) == {"classes.txt", "tags.csv", "class_maps/deep/c.png"}
        assert archive.read("tags.csv") == b"deep/c.jpg,crop\n"
