"""What decoding tasks hand on: pixels, or the reason why there are none."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ray_wssis.data.records import Record
from ray_wssis.streaming.decode import Decoder, Picture


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    """640 x 480, smooth, so that any way to shrink it gives nearly the same."""
    y, x = np.mgrid[:480, :640]
    image = np.stack([x / 3, y / 2, (x + y) / 5], axis=2).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "a.jpg", quality=95)
    return tmp_path / "a.jpg"


def picture(file: Path, width: int, height: int) -> Picture:
    record = Record(image_id=1, file=str(file), width=width, height=height)
    return Picture(record=record, source="weak", key=1)


def decoder(*, needs_original: bool, max_megapixels: float = 1) -> Decoder:
    return Decoder(
        network_size=(64, 200), needs_original=needs_original, max_megapixels=max_megapixels
    )


def test_pixels_at_both_sizes(photograph: Path) -> None:
    (done,), seconds = decoder(needs_original=True)([picture(photograph, 640, 480)])
    assert done.image.shape == (480, 640, 3) and done.network_image.shape == (64, 85, 3)
    assert done.failure is None and min(seconds.values()) > 0


def test_a_small_image_of_a_large_jpeg_is_decoded_small(photograph: Path) -> None:
    (whole,), _ = decoder(needs_original=True)([picture(photograph, 640, 480)])
    (small,), _ = decoder(needs_original=False)([picture(photograph, 640, 480)])
    assert small.image.size == 0 and small.network_image.shape == (64, 85, 3)
    difference = np.abs(small.network_image.astype(int) - whole.network_image)
    assert difference.mean() < 1 and difference.max() < 8


def test_a_jpeg_that_lies_on_its_side_is_decoded_upright(photograph: Path) -> None:
    image = Image.open(photograph)
    exif = image.getexif()
    exif[0x0112] = 6  # to be turned by a quarter
    image.save(photograph, exif=exif, quality=95)
    for needs_original in (True, False):
        (done,), _ = decoder(needs_original=needs_original)([picture(photograph, 480, 640)])
        assert done.failure is None and done.network_image.shape == (85, 64, 3)
    (wrong,), _ = decoder(needs_original=False)([picture(photograph, 640, 480)])
    assert wrong.failure is not None and "480 x 640" in wrong.failure.reason


def test_a_picture_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    (done,), _ = decoder(needs_original=True)([picture(tmp_path / "never.png", 2000, 1000)])
    assert done.failure is not None and done.failure.stage == "read"
    assert "2000 x 1000 pixels; at most 1 megapixels" in done.failure.reason


def test_a_broken_picture_fails_while_it_is_decoded(photograph: Path) -> None:
    photograph.write_bytes(photograph.read_bytes()[:900])
    (done,), _ = decoder(needs_original=True)([picture(photograph, 640, 480)])
    assert done.failure is not None and done.failure.stage == "decode"
    assert str(photograph) in done.failure.reason and done.image.size == 0
