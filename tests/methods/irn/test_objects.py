"""True objects of a COCO file in which some images have masks and others tags alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ray_wssis.data.builtin.png import stored_png
from ray_wssis.data.records import Records
from ray_wssis.masks import area
from ray_wssis.methods.irn.clicks import CLICKED
from ray_wssis.methods.irn.objects import HIDDEN, find_objects
from ray_wssis.semantic.split import AUDIT, VALIDATION, WEAK, split
from ray_wssis.semantic.split_config import SemanticDataConfig
from tests.support.run_in import run_in


def write(folder: Path, *, tagged: bool) -> SemanticDataConfig:
    """Write six images of two squares each; the last two with masks, or with tags alone."""
    (folder / "images").mkdir(parents=True)
    annotations: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    for i in range(6):
        pixels = np.zeros((8, 12, 3), np.uint8)
        (folder / "images" / f"{i}.png").write_bytes(stored_png(pixels))
        images.append({"id": i, "file_name": f"{i}.png", "width": 12, "height": 8})
        if tagged and i > 3:
            images[i]["tags"] = ["cat", "dog"]
            continue
        for x, category in ((0, 3), (6, 8)):
            outline = [[x, 0, x + 4, 0, x + 4, 8, x, 8]]
            number = len(annotations) + 1
            annotations.append(
                {
                    "id": number,
                    "image_id": i,
                    "category_id": category,
                    "segmentation": outline,
                }
            )
    file = folder / "all.json"
    categories = [{"id": 3, "name": "cat"}, {"id": 8, "name": "dog"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    file.write_text(json.dumps(content))
    (folder / "val.txt").write_text("0.png\n1.png\n")
    return SemanticDataConfig(
        annotations=str(file),
        images=str(folder / "images"),
        validation=str(folder / "val.txt"),
        masks=2,
        audit=1,
    )


def test_parts_have_the_objects_of_the_file(tmp_path: Path) -> None:
    config = write(tmp_path, tagged=False)
    run = run_in(tmp_path / "run")
    objects = find_objects(run, split(run, config), config)
    for part, number in ((AUDIT, 2), (HIDDEN, 2), (VALIDATION, 2)):
        records = Records.read(objects / part)
        assert len(records) == number
        assert [category.name for category in records.categories] == ["cat", "dog"]
        for record in records:
            assert [obj.label for obj in record.objects] == [0, 1]
            assert [area(obj.mask or b"", 8, 12) for obj in record.objects] == [32, 32]
            assert record.class_map is None


def test_images_with_tags_alone_hide_nothing(tmp_path: Path) -> None:
    config = write(tmp_path, tagged=True)
    run = run_in(tmp_path / "run")
    data = split(run, config)
    weak = Records.read(data / WEAK)
    assert [record.tags for record in weak] == [(0, 1, 2)] * 2
    objects = find_objects(run, data, config)
    assert len(Records.read(objects / AUDIT)) == 2
    assert not (objects / HIDDEN).exists()


def test_clicks_are_points_and_nothing_else(tmp_path: Path) -> None:
    config = write(tmp_path, tagged=False)
    run = run_in(tmp_path / "run")
    data = split(run, config)
    clicked = Records.read(find_objects(run, data, config, clicks=True) / CLICKED)
    assert {record.image_id for record in clicked} == {
        record.image_id for part in (AUDIT, WEAK) for record in Records.read(data / part)
    }
    for record in clicked:
        assert [(obj.label, obj.mask) for obj in record.objects] == [(1, None), (2, None)]
        assert all(obj.point is not None for obj in record.objects)
        assert record.class_map is None


def test_clicks_that_are_wanted_must_be_there(tmp_path: Path) -> None:
    config = write(tmp_path, tagged=True)
    run = run_in(tmp_path / "run")
    with pytest.raises(ValueError, match="none of the 2 images to learn from has an object"):
        find_objects(run, split(run, config), config, clicks=True)
