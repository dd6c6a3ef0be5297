"""Tests of ray_wssis.data.images.bit_depth."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, TiffImagePlugin

from ray_wssis.data.images.bit_depth import to_8_bits, used_depth
from ray_wssis.data.images.read import decode_image, read_image

Values = NDArray[Any]


def ramp(largest: int, *, channels: int = 1) -> Values:
    """All values up to `largest` in 64 x 64 pixels, as 16 bits; each channel in another order."""
    values = np.linspace(0, largest, 64 * 64).round().astype(np.uint16).reshape(64, 64)
    if channels == 1:
        return values
    return np.dstack([values, values.T, values[::-1]])[:, :, :channels]


def saved(folder: Path, values: Values, name: str, **options: object) -> str:
    file = str(folder / name)
    if values.ndim == 2:
        Image.fromarray(values).save(file, **options)  # type: ignore[arg-type]
    else:
        cv2.imwrite(file, values[:, :, [2, 1, 0, *range(3, values.shape[2])]])
    return file


def rounded(values: Values, depth: int) -> Values:
    """The obvious form."""
    return np.asarray(np.floor(255 * values.astype(np.float64) / (2**depth - 1) + 0.5))


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("depth", [8, 10, 12, 14])
def test_the_depth_in_use_is_the_full_range(
    tmp_path: Path, depth: int, channels: int, name: str
) -> None:
    values = ramp(2**depth - 1, channels=channels)
    pixels = read_image(saved(tmp_path, values, name))
    expected = rounded(values, depth)
    assert (pixels == (expected if channels == 3 else expected[:, :, None])).all()
    assert len(np.unique(pixels)) == 256


@pytest.mark.parametrize("largest", [16384, 40000, 65535])
def test_images_that_use_16_bits_stay_as_they_were(tmp_path: Path, largest: int) -> None:
    values = ramp(largest)
    pixels = read_image(saved(tmp_path, values, "a.png"))
    assert (pixels == ((values.astype(np.uint32) + 128) // 257)[:, :, None]).all()
    colours = ramp(largest, channels=3)
    assert (read_image(saved(tmp_path, colours, "c.png")) == colours >> 8).all()


def test_values_of_8_bits_in_16_stay_as_they_are(tmp_path: Path) -> None:
    for largest in (0, 1, 200, 255):
        values = ramp(largest)
        assert (read_image(saved(tmp_path, values, "a.tif"))[:, :, 0] == values).all()


@pytest.mark.parametrize(
    ("largest", "declared", "depth"),
    [
        (0, None, 8),
        (256, None, 10),
        (1039, None, 12),
        (4096, None, 14),
        (16384, None, 16),
        (900, 12, 12),
        (900, 16, 16),
        (5000, 12, 14),
        (300, 9, 9),
    ],
)
def test_what_the_file_declares_decides_unless_it_cannot_be(
    largest: int, declared: int | None, depth: int
) -> None:
    assert used_depth(largest, declared) == depth


@pytest.mark.parametrize(
    ("tag", "value", "depth"),
    [(281, 4095, 12), (341, 4095, 12), (281, 65535, 16), (281, 900, 10), (281, 3000, 10)],
)
def test_a_tiff_may_declare_its_largest_value(
    tmp_path: Path, tag: int, value: int, depth: int
) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[tag] = value
    tags.tagtype[tag] = 3
    values = ramp(900)
    pixels = read_image(saved(tmp_path, values, "a.tif", tiffinfo=tags))
    assert (pixels[:, :, 0] == to_8_bits(values, depth)).all()


def with_chunk(png: bytes, kind: bytes, content: bytes) -> bytes:
    """The PNG with a chunk behind its header."""
    check = zlib.crc32(kind + content).to_bytes(4, "big")
    return png[:33] + len(content).to_bytes(4, "big") + kind + content + check + png[33:]


@pytest.mark.parametrize(("bits", "depth"), [(12, 12), (16, 16), (8, 10), (None, 10)])
def test_a_png_may_declare_its_significant_bits(bits: int | None, depth: int) -> None:
    values, buffer = ramp(900), io.BytesIO()
    Image.fromarray(values).save(buffer, "png")
    png = buffer.getvalue()
    if bits is not None:
        png = with_chunk(png, b"sBIT", bytes([bits]))
    assert (decode_image("a.png", png)[:, :, 0] == to_8_bits(values, depth)).all()


def test_colours_of_few_bits_keep_their_rotation_and_transparency(tmp_path: Path) -> None:
    values = np.dstack([ramp(4095, channels=3), np.full((64, 64), 65535, np.uint16)])[:40]
    values[:, :10, 3] = 0
    file = saved(tmp_path, values, "a.png")
    upright = read_image(file)
    assert (upright[:, :10] == 255).all()
    assert (upright[:, 10:] == rounded(values[:, 10:, :3], 12)).all()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    content = exif.tobytes().removeprefix(b"Exif\0\0")
    turned = with_chunk(Path(file).read_bytes(), b"eXIf", content)
    assert (decode_image("a.png", turned, (64, 40)) == np.rot90(upright, -1)).all()


def test_a_tiff_of_12_bits_a_sample_declares_them() -> None:
    """Two samples in three bytes."""
    values = ramp(900)
    bits = "".join(f"{value:012b}" for value in values.ravel().tolist())
    packed = int(bits, 2).to_bytes(len(bits) // 8, "big")
    tags = [(256, 64), (257, 64), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 64)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, n) for tag, n in [*tags, (279, len(packed))])
    header = b"II*\0" + struct.pack("<I", 8 + len(packed))
    data = header + packed + struct.pack("<H", len(tags) + 1) + entries + bytes(4)
    assert (decode_image("a.tif", data)[:, :, 0] == to_8_bits(values, 12)).all()
