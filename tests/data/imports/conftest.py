import json
from pathlib import Path

import pytest
from PIL import Image

CLASSES = [{"id": 7, "name": "cat"}, {"id": 9, "name": "dog"}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images a.png (40 x 30) and sub/b.png (30 x 40) in images, and classes.json."""
    (tmp_path / "images/sub").mkdir(parents=True)
    Image.new("L", (40, 30)).save(tmp_path / "images/a.png")
    Image.new("L", (30, 40)).save(tmp_path / "images/sub/b.png")
    classes = {"images": [], "annotations": [], "categories": CLASSES}
    (tmp_path / "classes.json").write_text(json.dumps(classes))
    return tmp_path
