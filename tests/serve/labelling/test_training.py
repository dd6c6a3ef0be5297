"""What was labelled from nothing can be trained on with the command that is printed."""

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wssis_serve.config import ServeConfig
from wssis_serve.label_page import label_page, named, strokes_page
from wssis_serve.labelling.queue import Queue
from wssis_serve.labelling.training import ready_to_train

from ray_wssis import masks
from ray_wssis.data.builtin.shapes import CATEGORIES, write_shapes
from ray_wssis.data.check.coco import check_file
from ray_wssis.data.coco.file import load_json
from ray_wssis.data.records import Category, Records
from ray_wssis.instance.split import STRONG, UNLABELLED, VALIDATION, WEAK, split
from ray_wssis.instance.split_config import DataConfig
from ray_wssis.recipes.agmm_config import AGMMConfig
from ray_wssis.recipes.catalogue import artifacts, load_recipe
from ray_wssis.recipes.plan.data import choose_data
from ray_wssis.run import Run
from ray_wssis.semantic.split import SPARSE
from tests.support.run_in import run_in

NAMES = ",".join(category.name for category in CATEGORIES)


@pytest.fixture
def labelled(tmp_path: Path) -> tuple[Queue, Path]:
    """Twelve images of shapes, done: ten with masks, one with points; one nobody looked at."""
    truth = load_json(write_shapes(str(tmp_path), 12, seed=0, size=64))
    images = tmp_path / "images"
    _, queue = label_page(ServeConfig(model=str(images), queue=str(images)), NAMES)
    for place, image in enumerate(truth["images"][:11]):
        objects: list[dict[str, Any]] = []
        for entry in truth["annotations"]:
            if entry["image_id"] == image["id"]:
                x, y, width, height = entry["bbox"]
                point = [x + width / 2, y + height / 2]
                what = {"point": point} if place == 10 else {"segmentation": entry["segmentation"]}
                objects.append({"category_id": entry["category_id"]} | what)
        name = image["file_name"].rpartition("/")[2]
        wanted = {
            "revision": queue.get(name)["revision"],
            "state": "done",
            "window": "",
            "change": 1,
        }
        queue.save(name, wanted | {"objects": objects})
    return queue, images


def test_the_printed_command_learns_from_strokes(tmp_path: Path) -> None:
    write_shapes(str(tmp_path), 6, seed=0, size=64)
    images = tmp_path / "images"
    _, queue = strokes_page(ServeConfig(model=str(images), queue=str(images)), "background,ring")
    assert ready_to_train(queue, str(images))[1].startswith("to train from tags alone, give ")
    half = np.zeros((64, 64), dtype=bool)
    half[:, 32:] = True
    for name in queue.images.names[:5]:
        runs = [{"size": [64, 64], "counts": masks.encode(each).decode()} for each in (half, ~half)]
        strokes = [
            {"class": each, "segmentation": run}
            for each, run in zip(("ring", "background"), runs, strict=True)
        ]
        wanted = {
            "revision": queue.strokes(name)["revision"],
            "state": "done",
            "window": "",
            "change": 1,
        }
        queue.save_strokes(name, wanted | {"tags": [], "strokes": strokes})
    first, command = ready_to_train(queue, str(images))
    assert first.startswith("5 images are done, and their tags are complete; 5 have strokes ")
    words = shlex.split(command.removeprefix("now train: "))
    assert words[:6] == ["wssis", "run", "--config", "agmm_photos", "--out", str(tmp_path / "run")]
    config = load_recipe(words[3], words[7::2])
    assert isinstance(config, AGMMConfig)
    assert config.agmm.augment.scale == (1.2, 2.1)  # 64 pixels become about 96
    data = next(artifacts(Run(config, tmp_path / "run"), config))
    records = Records.read(data / SPARSE)
    assert [record.tags for record in records] == [(0, 1)] * len(records)
    assert len(records) + len(Records.read(data / VALIDATION)) == 5


def test_the_printed_command_splits(labelled: tuple[Queue, Path], tmp_path: Path) -> None:
    queue, images = labelled
    first, command = ready_to_train(queue, str(images))
    assert first.startswith("11 images are done, with ")
    assert "10 of them have a mask" in first
    values = data_values(command, tmp_path / "run")
    for key in ("annotations", "validation"):
        problems = check_file(values[key], str(images))
        assert not [problem for problem in problems if problem.severity == "error"]
    config = DataConfig(**values)
    chosen = {key: decision.value for key, decision in choose_data(config).items()}
    parts = split(run_in(tmp_path / "split"), DataConfig(**values | chosen))
    assert [len(Records.read(parts / part)) for part in (STRONG, WEAK, VALIDATION)] == [8, 1, 2]
    assert all(obj.mask for record in Records.read(parts / STRONG) for obj in record.objects)


def data_values(command: str, out: Path) -> dict[str, Any]:
    """The settings of the data in a printed command, by name."""
    words = shlex.split(command.removeprefix("now train: "))
    assert words[:4] == ["wssis", "run", "--out", str(out)]
    return dict(word.removeprefix("data.").split("=", 1) for word in words[5::2])


def test_where_all_have_masks_the_other_images_are_learnt_without_labels(
    labelled: tuple[Queue, Path], tmp_path: Path
) -> None:
    queue, images = labelled
    pointed = queue.images.names[10]
    queue.save(pointed, queue.get(pointed) | {"state": "skipped", "window": "", "change": 2})
    *_, others, command = ready_to_train(queue, str(images))
    assert others == "the 2 images that are not done are learnt from without labels"
    values = data_values(command, tmp_path / "run")
    parts = split(run_in(tmp_path / "split"), DataConfig(**values))
    assert [len(Records.read(parts / part)) for part in (STRONG, WEAK, VALIDATION)] == [8, 0, 2]
    files = [Path(record.file).name for record in Records.read(parts / UNLABELLED)]
    assert sorted(files) == queue.images.names[10:]


def test_where_all_images_have_masks_all_but_one_are_used(
    labelled: tuple[Queue, Path], tmp_path: Path
) -> None:
    queue, images = labelled
    (images / queue.images.names.pop()).unlink()
    pointed = queue.images.names[10]
    size = {"size": [64, 64], "counts": masks.encode(np.eye(64, dtype=bool)).decode()}
    drawn = [each | {"segmentation": size} for each in queue.get(pointed)["objects"]]
    by = {"state": "done", "window": "", "change": 2}
    queue.save(pointed, queue.get(pointed) | {"objects": drawn} | by)
    _, told, command = ready_to_train(queue, str(images))
    assert told == "no image is without masks, so one is learnt as if it had points"
    values = data_values(command, tmp_path / "run")
    parts = split(run_in(tmp_path / "split"), DataConfig(**values))
    assert [len(Records.read(parts / part)) for part in (STRONG, WEAK, VALIDATION)] == [8, 1, 2]


def test_without_masks_it_says_what_is_missing(labelled: tuple[Queue, Path]) -> None:
    queue, images = labelled
    for name in list(queue.labels.images)[:10]:
        labels = queue.get(name)
        queue.save(name, labels | {"state": "open", "window": "", "change": 1})
    lines = ready_to_train(queue, str(images))
    assert lines[0].startswith("1 images are done")
    assert lines[1].startswith("10 images have objects and are not done")
    assert "draw the masks of at least 3 images" in lines[2]
    assert len(lines) == 3


def test_classes_are_added_to_those_of_a_file() -> None:
    known = (Category(id=3, name="cat"),)
    assert named("dog, cat", known) == [Category(id=3, name="cat"), Category(id=4, name="dog")]
    assert named(None, known) == list(known)
    with pytest.raises(ValueError, match="there are no classes yet"):
        named(None, ())
    with pytest.raises(ValueError, match="a name occurs twice"):
        named("cat,cat", ())
