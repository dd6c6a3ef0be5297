import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo
from wssis_serve.engines.images import check, decode, image_id_of
from wssis_serve.errors import ApiError

from ray_wssis.data.images.read import RGB, decode_image

# Pillow warns of damaged metadata.  Importing the module silences it; pytest undoes that.
pytestmark = pytest.mark.filterwarnings("ignore:::PIL")

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")
TURNED = ("JPEG", "PNG", "WEBP", "TIFF")  # formats with EXIF


def noise(height: int = 24, width: int = 32) -> RGB:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(format: str, image: Image.Image | None = None, **options: Any) -> bytes:
    stream = io.BytesIO()
    (image or Image.fromarray(noise())).save(stream, format, **options)
    return stream.getvalue()


def orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = value
    exif[ExifTags.Base.Make] = "a camera"
    return exif


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def refused(data: bytes, max_megapixels: float = 1) -> ApiError:
    with pytest.raises(ApiError) as error:
        decode(data, (16, 32), True, max_megapixels)
    return error.value


@pytest.mark.parametrize("format", TURNED)
def test_the_size_is_that_of_a_viewer(format: str) -> None:
    assert check(encoded(format), 1) == (32, 24)
    assert check(encoded(format, exif=orientation(6)), 1) == (24, 32)


def test_a_png_may_have_its_rotation_behind_its_pixels() -> None:
    data = encoded("PNG")
    end = len(data) - 12
    exif = chunk(b"eXIf", orientation(8).tobytes()[6:])
    rotated = data[:end] + exif + data[end:]
    assert check(rotated, 1) == (24, 32)
    assert decode(rotated, (16, 32), True, 1).pixels.shape == (32, 24, 3)


@pytest.mark.parametrize("format", TURNED)
def test_pixels_come_in_two_sizes(format: str) -> None:
    decoded = decode(encoded(format, exif=orientation(6)), (12, 20), True, 1)
    assert (decoded.height, decoded.width) == (32, 24)
    assert decoded.pixels.shape == (32, 24, 3)
    assert decoded.network_image.shape == (16, 12, 3)
    assert decoded.network_image.dtype == decoded.pixels.dtype == np.uint8


def test_pixels_are_those_of_the_image() -> None:
    decoded = decode(encoded("PNG"), (24, 32), True, 1)
    np.testing.assert_array_equal(decoded.pixels, noise())
    np.testing.assert_array_equal(decoded.network_image, noise())


def test_an_original_that_nobody_needs_is_not_kept() -> None:
    gradient = np.broadcast_to(np.arange(256, dtype=np.uint8)[None, :, None], (192, 256, 3))
    data = encoded("JPEG", Image.fromarray(gradient), quality=95)
    whole, shrunk = decode(data, (24, 32), True, 1), decode(data, (24, 32), False, 1)
    assert (shrunk.height, shrunk.width, shrunk.pixels.size) == (192, 256, 0)
    difference = shrunk.network_image.astype(int) - whole.network_image
    assert shrunk.network_image.shape == (24, 32, 3)
    assert np.abs(difference).max() <= 3


@pytest.mark.parametrize("mode", ["L", "P", "1", "LA", "RGBA", "I;16"])
def test_every_kind_of_png_becomes_rgb(mode: str) -> None:
    image = Image.fromarray(noise()).convert("I" if mode == "I;16" else mode).convert(mode)
    assert decode(encoded("PNG", image), (24, 32), True, 1).pixels.shape == (24, 32, 3)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
@pytest.mark.parametrize("largest", [255, 1023, 4095, 65535])
def test_images_of_16_bits_are_read_as_training_reads_them(format: str, largest: int) -> None:
    values = np.linspace(0, largest, 24 * 32).astype(np.uint16).reshape(24, 32)
    data = encoded(format, Image.fromarray(values))
    pixels = decode(data, (24, 32), True, 1).pixels
    assert (pixels == decode_image("a", data)).all()
    assert (pixels.min(), pixels.max()) == (0, 255)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_bmp_and_tiff_are_read_as_training_reads_them(mode: str) -> None:
    for format in ("BMP", "TIFF"):
        data = encoded(format, STILL.convert(mode))
        assert check(data, 1) == (32, 24)
        assert (decode(data, (24, 32), True, 1).pixels == decode_image("a", data)).all()


def test_a_cmyk_jpeg_becomes_rgb() -> None:
    data = encoded("JPEG", Image.fromarray(noise()).convert("CMYK"))
    assert decode(data, (24, 32), True, 1).pixels.shape == (24, 32, 3)


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_the_first_frame_of_an_animation_counts(format: str) -> None:
    red, blue = Image.new("RGB", (32, 24), "red"), Image.new("RGB", (32, 24), "blue")
    data = encoded(format, red, save_all=True, append_images=[blue], lossless=True)
    assert decode(data, (24, 32), True, 1).pixels[12, 16].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (encoded("GIF"), "this is a GIF"),
        (b"%PDF-1.7 ...", "this is a PDF"),
        (b"<svg xmlns='...'/>", "this is a text (HTML, XML or SVG)"),
        (b'{"points": []}', "this is a text (JSON)"),
        (b"P6 1 1 255 abc", "this begins with b'P6 1 1 2'"),
        (encoded("JPEG")[:60], "the image is cut short or damaged"),
        (encoded("TIFF")[:60], "the image is cut short or damaged"),
        (encoded("BMP")[:20], "the image is cut short or damaged"),
    ],
)
def test_other_formats_are_not_opened(data: bytes, found: str) -> None:
    error = refused(data)
    assert (error.status, error.code) == (415, "unsupported_image")
    assert str(error) == f"{found}; wanted: an undamaged JPEG, PNG, WebP, TIFF or BMP image"


@pytest.mark.parametrize("format", FORMATS)
def test_a_truncated_image_is_refused(format: str) -> None:
    data = encoded(format)
    for length in (1, 8, 20, 40, len(data) // 2, len(data) - 40):
        assert refused(data[:length]).status == 415


def test_no_bytes_are_no_image() -> None:
    assert (refused(b"").status, refused(b"").code) == (400, "bad_request")


@pytest.mark.parametrize("format", FORMATS)
def test_pixels_are_counted_before_they_are_decoded(format: str) -> None:
    data = encoded(format)
    assert check(data, 24 * 32 / 1e6) == (32, 24)
    error = refused(data, 0.0007)
    assert (error.status, error.code) == (413, "too_large")
    assert "32 x 24" in str(error)
    assert "0.0007 megapixels" in str(error)


def header_of_png(width: int, height: int) -> bytes:
    size = struct.pack(">II5B", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"")


def header_of_webp(width: int, height: int) -> bytes:
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body = b"WEBPVP8X" + struct.pack("<II", 10, 2) + size
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_declared_sizes_count_before_any_memory_is_taken() -> None:
    assert refused(header_of_png(2**31 - 1, 2**31 - 1)).status == 413
    assert refused(header_of_png(10_000, 10_000), 50).status == 413
    assert refused(header_of_webp(16_384, 16_384), 50).status == 413
    jpeg = encoded("JPEG")
    at = jpeg.index(b"\xff\xc0") + 5  # height and width in the frame header
    assert refused(jpeg[:at] + b"\xff\xff\xff\xff" + jpeg[at + 4 :], 50).status == 413


def test_a_text_that_unpacks_to_gigabytes_is_refused() -> None:
    text = PngInfo()
    text.add_text("comment", "x" * 2_000_000, zip=True)
    assert refused(encoded("PNG", pnginfo=text)).status == 415
    data = encoded("PNG")
    profile = chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(1_000_000)))
    error = refused(data[:33] + 1000 * profile + data[33:])
    assert str(error).startswith("a PNG with 1000 packed texts or profiles")


def test_a_jpeg_with_too_many_scans_is_refused() -> None:
    data = encoded("JPEG", progressive=True)
    assert check(data, 1) == (32, 24)
    scan = data[data.rindex(b"\xff\xda") : -2]
    error = refused(data[:-2] + 1000 * scan + data[-2:])
    assert error.status == 415
    assert "scans" in str(error)


def test_the_id_is_that_of_the_bytes() -> None:
    assert image_id_of(b"") == "e3b0c44298fc1c149afbf4c8996fb924"
    assert image_id_of(b"a") != image_id_of(b"b")


TEXTS = PngInfo()
TEXTS.add_text("comment", "x" * 50, zip=True)
TEXTS.add_itxt("XML:com.adobe.xmp", 'tiff:Orientation="6"', zip=True)
STILL = Image.fromarray(noise())
REAL = [
    encoded("JPEG", exif=orientation(6)),
    encoded("JPEG", progressive=True),
    encoded("JPEG", STILL.convert("CMYK")),
    encoded("MPO", save_all=True, append_images=[STILL], exif=orientation(3)),
    encoded("PNG", exif=orientation(5)),
    encoded("PNG", STILL.convert("P"), pnginfo=TEXTS, icc_profile=b"x" * 100),
    encoded("PNG", STILL.convert("RGBA"), save_all=True, append_images=[STILL.convert("RGBA")]),
    encoded("WEBP", exif=orientation(8)),
    encoded("WEBP", STILL.convert("RGBA"), lossless=True),
    encoded("WEBP", save_all=True, append_images=[STILL.rotate(90)]),
    encoded("TIFF", exif=orientation(6)),
    encoded("TIFF", compression="tiff_lzw"),
    encoded("TIFF", STILL.convert("L"), compression="jpeg"),
    encoded("TIFF", save_all=True, append_images=[STILL.rotate(90)]),
    encoded("BMP"),
    encoded("BMP", STILL.convert("P")),
]


def with_checksums(data: bytes) -> bytes:
    """A PNG whose chunks are believed; other bytes as they are."""
    if not data.startswith(b"\x89PNG"):
        return data
    fixed, at = data[:8], 8
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        fixed += chunk(data[at + 4 : at + 8], data[at + 8 : at + 8 + length])
        at += 12 + length
    return fixed


@settings(max_examples=1000, deadline=None)
@given(
    data=st.sampled_from(REAL),
    edits=st.lists(
        st.tuples(
            st.integers(0, 200) | st.integers(0, 4000),
            st.integers(0, 8),
            st.sampled_from([b"\0", b"\1", b"\xff", b"\xff\xff\xff\xff"]) | st.binary(max_size=8),
        ),
        max_size=8,
    ),
)
def test_any_bytes_are_an_image_or_refused(
    data: bytes, edits: list[tuple[int, int, bytes]]
) -> None:
    for at, length, new in edits:
        data = data[:at] + new + data[at + length :]
    try:
        decoded = decode(with_checksums(data), (16, 32), True, 1)
    except ApiError as error:
        assert error.status in (400, 413, 415)
    else:
        assert decoded.pixels.shape == (decoded.height, decoded.width, 3)
