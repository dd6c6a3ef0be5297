import json
from pathlib import Path
from typing import Any

from PIL import Image

from ray_wssis.instance.split_config import DataConfig, ShapesConfig
from ray_wssis.recipes.plan.percent import choose_percent
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
    chosen = choose_percent(data_of(tmp_path, mixed))
    assert chosen is not None
    assert chosen.value == 33.34  # a split rounds the number of images down
    assert chosen.why == "2 of 6 images have a mask for every object: all are used"


def test_where_all_have_masks_nobody_can_know(tmp_path: Path) -> None:
    assert choose_percent(data_of(tmp_path, [{"segmentation": SQUARE}] * 3)) is None
    assert choose_percent(DataConfig(shapes=ShapesConfig())) is None
