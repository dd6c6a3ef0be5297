import json
from pathlib import Path
from typing import Any

from PIL import Image

from ray_wssis.instance.split_config import DataConfig, ShapesConfig
from ray_wssis.recipes.plan.data import choose_data
from tests.support.coco_files import SQUARE


def data_of(folder: Path, objects: list[dict[str, Any]]) -> DataConfig:
    """Write one image for each object, and one that nobody looked at."""
    number = len(objects) + 1
    for i in range(number):
        Image.new("RGB", (8, 8)).save(folder / f"{i}.png")
    content = {
        "images": [
            {"id": i, "file_name": f"{i}.png", "width": 8, "height": 8} for i in range(number)
        ],
        "annotations": [
            {"id": i + 1, "image_id": i, "category_id": 1} | entry
            for i, entry in enumerate(objects)
        ],
        "categories": [{"id": 1, "name": "dog"}],
    }
    (folder / "all.json").write_text(json.dumps(content))
    return DataConfig(annotations=str(folder / "all.json"), images=str(folder))


def test_every_image_with_masks_is_used(tmp_path: Path) -> None:
    mixed = [{"segmentation": SQUARE}] * 2 + [{"point": [3, 3]}] * 4
    chosen = choose_data(data_of(tmp_path, mixed))["percent"]
    assert chosen.value == 33.34  # a split rounds the number of images down
    assert chosen.why == "2 of 6 images have a mask for every object: all are used"


def test_where_all_have_masks_nobody_can_know(tmp_path: Path) -> None:
    assert choose_data(data_of(tmp_path, [{"segmentation": SQUARE}] * 3)) == {}
    assert choose_data(DataConfig(shapes=ShapesConfig())) == {}


def test_points_lie_where_people_clicked(tmp_path: Path) -> None:
    middle, corner = ([2, 2], [1.2, 1.2])
    clicks: list[dict[str, Any]] = [
        {"segmentation": SQUARE, "point": point} for point in [middle] * 15 + [corner] * 5
    ]
    assert choose_data(data_of(tmp_path, clicks)) == {}  # nothing to draw
    bare: dict[str, Any] = {"segmentation": SQUARE}
    assert choose_data(data_of(tmp_path, [*clicks[1:], bare])) == {}  # too few clicks
    chosen = choose_data(data_of(tmp_path, [*clicks, bare]))["point"]
    assert chosen.value == "clicked"
