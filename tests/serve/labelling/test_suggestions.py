"""A file of suggestions beside the labels of a folder."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from wssis_serve.labelling.queue import Queue

from ray_wssis import masks
from ray_wssis.data.records import Category

CLASSES = (Category(id=1, name="cat"), Category(id=4, name="dog"))

Json = dict[str, Any]


def suggested(number: int, image: int, category: int = 4, **more: Any) -> Json:
    mask = np.zeros((10, 20), dtype=bool)
    mask[2:6, 5:9] = True
    rle = {"size": [10, 20], "counts": masks.encode(mask).decode()}
    ids = {"id": number, "image_id": image, "category_id": category, "suggested": True}
    return ids | {"segmentation": rle, "score": 0.75, "point": [7.5, 4.5]} | more


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two images of 20 x 10 pixels."""
    for name in ("a.png", "deep/b.png"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 10)).save(path)
    return tmp_path / "images"


def write(folder: Path, *annotations: Json, classes: Any = CLASSES) -> str:
    """Write a file of these suggestions."""
    entries = [
        {"id": number, "file_name": name, "width": 20, "height": 10, "annotated": False}
        for number, name in ((1, "a.png"), (2, "deep/b.png"), (3, "gone.png"))
    ]
    data = {
        "images": entries,
        "annotations": annotations,
        "categories": [{"id": each.id, "name": each.name} for each in classes],
    }
    file = folder / "suggestions.json"
    file.write_text(json.dumps(data))
    return str(file)


def test_each_image_has_its_own_and_labels_stay_what_they_were(
    images: Path, tmp_path: Path
) -> None:
    file = write(tmp_path, suggested(1, 2), suggested(2, 2, category=1), suggested(3, 3))
    queue = Queue(str(images), None, CLASSES, file)
    assert queue.overview()["has_suggestions"] is True
    assert queue.suggested("a.png") == {"objects": []}
    first, second = queue.suggested("deep/b.png")["objects"]
    assert (first["category_id"], second["category_id"]) == (4, 1)
    assert (first["score"], first["point"], first["bbox"]) == (0.75, [7.5, 4.5], [5, 2, 4, 4])
    assert queue.get("deep/b.png")["objects"] == []
    assert json.loads(queue.whole()[0])["annotations"] == []


def test_one_without_mask_or_score_is_not_shown(images: Path, tmp_path: Path) -> None:
    file = write(tmp_path, suggested(1, 1, segmentation=None), suggested(2, 1, score=None))
    assert Queue(str(images), None, CLASSES, file).suggested("a.png") == {"objects": []}


def test_without_a_file_nothing_is_suggested(images: Path) -> None:
    queue = Queue(str(images), None, CLASSES)
    assert queue.overview()["has_suggestions"] is False
    assert queue.suggested("a.png") == {"objects": []}


def test_what_has_no_suggestions_or_other_classes_is_refused(images: Path, tmp_path: Path) -> None:
    file = write(tmp_path, suggested(1, 1) | {"suggested": False})
    with pytest.raises(ValueError, match="there are no suggestions"):
        Queue(str(images), None, CLASSES, file)
    file = write(tmp_path, suggested(1, 1, category=1), classes=[Category(id=1, name="cow")])
    with pytest.raises(ValueError, match="class 1 'cow' is none of those to label"):
        Queue(str(images), None, CLASSES, file)


def test_suggestions_are_not_taken_for_labels(images: Path, tmp_path: Path) -> None:
    file = write(tmp_path, suggested(7, 1))
    with pytest.raises(ValueError, match="annotation 7 is a suggestion, no label"):
        Queue(str(images), file, CLASSES)


def test_what_cannot_be_shown_is_counted(
    images: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = [suggested(2, 1, score=None), suggested(3, 1, segmentation="nonsense")]
    Queue(str(images), None, CLASSES, write(tmp_path, suggested(1, 1), *bad))
    assert "2 of 3 suggestions have no mask or no score, or cannot be read" in caplog.text
