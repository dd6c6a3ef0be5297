"""What a split refuses or warns of, before any training."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ray_wssis.artifacts import Artifact
from ray_wssis.data.coco.read import read_coco
from ray_wssis.data.records import Records
from ray_wssis.instance.split import STRONG, WEAK, split
from ray_wssis.instance.split_config import DataConfig
from tests.support.run_in import run_in

SQUARE = {"segmentation": [[1, 1, 3, 1, 3, 3, 1, 3]]}
POINT = {"point": [2, 2]}

Entries = dict[int, list[dict[str, Any]]]  # annotations by image id


def write(folder: Path, name: str, entries: Entries, **images: Any) -> str:
    """Write a COCO file of 6 x 4 images; `images` adds keys to all of their entries."""
    annotations = [(image, entry) for image, some in entries.items() for entry in some]
    content = {
        "images": [
            {"id": image, "file_name": f"{image}.png", "width": 6, "height": 4} | images
            for image in entries
        ],
        "annotations": [
            {"id": i, "image_id": image, "category_id": 1} | entry
            for i, (image, entry) in enumerate(annotations, start=1)
        ],
        "categories": [{"id": 1, "name": "disc"}],
    }
    file = folder / name
    file.write_text(json.dumps(content))
    return str(file)


def split_of(folder: Path, strong: Entries, weak: Entries, **images: Any) -> Artifact:
    """Split a strong and a weak file; the strong one validates too."""
    given = write(folder, "strong.json", strong)
    config = DataConfig(
        strong=given,
        weak=write(folder, "weak.json", weak, **images),
        validation=given,
        images=str(folder),
    )
    return split(run_in(folder / "run"), config)


def numbers(records: Records) -> list[int]:
    """Return the ids of the images in their file, as their names say; a split may change them."""
    return [int(Path(record.file).stem) for record in records]


def test_strong_images_without_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to teach: none of the 2 images of the part"):
        split_of(tmp_path, {1: [], 2: []}, {3: [POINT]})


def test_weak_images_without_a_usable_point_are_refused(tmp_path: Path) -> None:
    weak: Entries = {3: [{}, {"point": [9, 9]}], 4: [{"point": [8, 8]}]}
    with pytest.raises(
        ValueError, match=r"no usable point among the 3 annotations of the 2 weak images: 2 times"
    ):
        split_of(tmp_path, {1: [SQUARE]}, weak)


def test_a_split_that_was_refused_is_made_once_the_file_is_right(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no usable point"):
        split_of(tmp_path, {1: [SQUARE]}, {3: [{}]})
    made = split_of(tmp_path, {1: [SQUARE]}, {3: [POINT]})
    assert numbers(Records.read(made / WEAK)) == [3]


def test_images_that_nobody_clicked_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = split_of(tmp_path, {1: [SQUARE], 2: []}, {3: [POINT], 4: [], 5: []})
    assert numbers(Records.read(made / STRONG)) == [1, 2]
    assert numbers(Records.read(made / WEAK)) == [3]
    assert "weak.json: 2 of 3 images have no annotation and are left out" in caplog.text
    assert '`"annotated": true`' in caplog.text


def test_images_that_are_marked_as_looked_at_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = split_of(tmp_path, {1: [SQUARE]}, {3: [POINT], 4: []}, annotated=True)
    assert numbers(Records.read(made / WEAK)) == [3, 4]
    assert "left out" not in caplog.text


def test_images_that_are_marked_as_not_looked_at_are_left_out(tmp_path: Path) -> None:
    made = split_of(tmp_path, {1: [SQUARE]}, {3: [POINT], 4: []}, annotated=False)
    assert numbers(Records.read(made / WEAK)) == [3]


def test_a_weak_file_that_was_split_here_says_which_images_are_empty(tmp_path: Path) -> None:
    entries: Entries = {number: [SQUARE] if number > 1 else [] for number in range(6)}
    config = DataConfig(
        annotations=write(tmp_path, "all.json", entries), images=str(tmp_path), percent=17
    )
    made = split(run_in(tmp_path / "run"), config)
    (file,) = made.folder.glob("*_w.json")
    assert {record.image_id for record in read_coco(file, "") if not record.objects} <= {0, 1}
    for entry in json.loads(file.read_text())["images"]:
        assert entry.get("annotated") == (True if entry["id"] < 2 else None)


def test_many_images_without_objects_are_worth_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    entries: Entries = {number: [SQUARE] if number > 5 else [] for number in range(9)}
    config = DataConfig(
        annotations=write(tmp_path, "all.json", entries),
        validation=write(tmp_path, "val.json", {99: [SQUARE]}),
        images=str(tmp_path),
        percent=80,
    )
    split(run_in(tmp_path / "run"), config)
    assert "all.json: 6 of 9 images have no annotation and are learnt as background" in caplog.text


def test_an_image_in_two_parts_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(tmp_path / "1.png")
    (tmp_path / "3.png").write_bytes((tmp_path / "1.png").read_bytes())
    split_of(tmp_path, {1: [SQUARE]}, {3: [POINT]})
    assert "1 of 1 weak images are strong images too" in caplog.text
    assert "1 of 1 validation images are strong images too" in caplog.text
