"""What decoding tasks hand on: pixels, or the reason why there are none."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from ray_wssis.data.records import Record
from ray_wssis.streaming.decode import Decoder, Image


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    """640 x 480, smooth, so that any way to shrink it gives nearly the same."""
    y, x = np.mgrid[:480, :640]
    pixels = np.stack([x / 3, y / 2, (x + y) / 5], axis=2).astype(np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=95)
    return tmp_path / "a.jpg"


def image(file: Path, width: int, height: int) -> Image:
    record = Record(image_id=1, file=str(file), width=width, height=height)
    return Image(record=record, source="weak", key=1)


def decoder(*, needs_original: bool, max_megapixels: float = 1) -> Decoder:
    return Decoder(
        network_size=(64, 200), needs_original=needs_original, max_megapixels=max_megapixels
    )


def test_pixels_at_both_sizes(photograph: Path) -> None:
    (done,), seconds = decoder(needs_original=True)([image(photograph, 640, 480)])
    assert done.pixels.shape == (480, 640, 3) and done.network_image.shape == (64, 85, 3)
    assert done.failure is None and min(seconds.values()) > 0


def test_a_small_image_of_a_large_jpeg_is_decoded_small(photograph: Path) -> None:
    (whole,), _ = decoder(needs_original=True)([image(photograph, 640, 480)])
    (small,), _ = decoder(needs_original=False)([image(photograph, 640, 480)])
    assert small.pixels.size == 0 and small.network_image.shape == (64, 85, 3)
    difference = np.abs(small.network_image.astype(int) - whole.network_image)
    assert difference.mean() < 1 and difference.max() < 8


def test_a_jpeg_that_lies_on_its_side_is_decoded_upright(photograph: Path) -> None:
    shown = PIL.Image.open(photograph)
    exif = shown.getexif()
    exif[0x0112] = 6  # to be turned by a quarter
    shown.save(photograph, exif=exif, quality=95)
    for needs_original in (True, False):
        (done,), _ = decoder(needs_original=needs_original)([image(photograph, 480, 640)])
        assert done.failure is None and done.network_image.shape == (85, 64, 3)
    (wrong,), _ = decoder(needs_original=False)([image(photograph, 640, 480)])
    assert wrong.failure is not None and "480 x 640" in wrong.failure.reason


def test_an_image_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    (done,), _ = decoder(needs_original=True)([image(tmp_path / "never.png", 2000, 1000)])
    assert done.failure is not None and done.failure.stage == "read"
    assert "2000 x 1000 pixels; at most 1 megapixels" in done.failure.reason


def test_a_broken_image_fails_while_it_is_decoded(photograph: Path) -> None:
    photograph.write_bytes(photograph.read_bytes()[:900])
    (done,), _ = decoder(needs_original=True)([image(photograph, 640, 480)])
    assert done.failure is not None and done.failure.stage == "decode"
    assert str(photograph) in done.failure.reason and done.pixels.size == 0
