"""Saliency maps of somebody else."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ray_wssis.data.images.read import ImageError
from ray_wssis.data.records import Category, Record, Records
from ray_wssis.methods.cam.saliency import check_saliency, read_saliency, with_saliency


def write(folder: Path, name: str, values: np.ndarray) -> None:
    folder.mkdir(exist_ok=True)
    Image.fromarray(values.astype(np.uint8)).save(folder / name)


def test_a_class_must_stand_out_and_what_stands_out_must_be_a_class() -> None:
    labels = np.array([[1, 1, 0, 0, 2]], np.uint8)
    scores = np.array([[200, 200, 20, 20, 255]], np.uint8)
    saliency = np.array([[250, 30, 200, 10, 0]], np.uint8)
    confidence = np.full((1, 5), 90, np.uint8)
    kept, sure = with_saliency(labels, confidence, scores, saliency, 0)
    assert kept.tolist() == [[1, 0, 0, 0, 0]]
    assert sure.tolist() == [[90, 90, 0, 90, 90]]


def test_maps_are_resized_to_their_image(tmp_path: Path) -> None:
    write(tmp_path / "maps", "a.png", np.repeat([[0, 255]], 2, axis=0))
    found = read_saliency(str(tmp_path / "maps"), "images/a.jpg", (4, 8))
    assert found.shape == (4, 8) and found[0, 0] == 0 and found[0, -1] == 255
    with pytest.raises(ImageError, match="no saliency map"):
        read_saliency(str(tmp_path / "maps"), "images/b.jpg", (4, 8))


def test_images_without_a_map_are_counted_before_anything_is_trained(tmp_path: Path) -> None:
    write(tmp_path / "maps", "a.png", np.zeros((2, 2)))
    records = [
        Record(image_id=i, file=f"images/{name}.jpg", width=4, height=4, objects=())
        for i, name in enumerate("abc")
    ]
    images = Records.from_rows(records, [Category(id=0, name="background")])
    with pytest.raises(ValueError, match="2 of 3 images have no map"):
        check_saliency(str(tmp_path / "maps"), images)
    check_saliency(str(tmp_path / "maps"), images.select([0]))
