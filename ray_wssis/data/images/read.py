"""Images from any place and of any kind, as RGB arrays; and their sizes.

Whatever a camera or a microscope writes becomes [H, W, 3] uint8: rotated as EXIF says, gray and
palette and CMYK converted to RGB, 16 bits scaled to 8 by the depth in use (`bit_depth`),
transparency laid on white.  An image that cannot be used is an `ImageError` that says which file,
what was found and what to do.
"""

import io
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from upath import UPath

from ray_wssis.data.images.bit_depth import (
    declared_depth,
    has_16_bits,
    to_8_bits,
    used_depth,
    with_all_levels,
)
from ray_wssis.outage import StorageAway, is_passing, patiently
from ray_wssis.storage import is_local

RGB = NDArray[np.uint8]  # [H, W, 3]

MAX_BYTES = 4 << 30  # of a file, which is read into memory
HEADER = 1 << 16  # bytes fetched at a time for the size of an image on a bucket

BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
# Exceptions of Pillow's decoders and of its reader of EXIF on damaged bytes.
DAMAGED = (
    AssertionError,
    AttributeError,
    RuntimeError,
    zlib.error,
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    struct.error,
)


class ImageError(ValueError):
    """An image that cannot be used: which file, what was found, what is wanted instead."""

    def __init__(self, file: str, found: str, wanted: str) -> None:
        super().__init__(file, found, wanted)  # all three, so that it survives pickling
        self.file = file
        self.found = found
        self.wanted = wanted

    def __str__(self) -> str:
        return f"{self.file}: {self.found}; {self.wanted}"


class MissingImage(ImageError):
    """An image file that does not exist."""


def read_image(file: str, expected_size: tuple[int, int] | None = None) -> RGB:
    """Read the image at a path or URI as [H, W, 3] uint8 RGB.

    `expected_size` is the (height, width) that the annotations were made for.  Raises ImageError
    when the file is missing, empty, truncated, no image, too large, of a kind without an obvious
    8-bit form, or of another size.
    """
    return decode_image(file, read_bytes(file), expected_size)


def decode_image(
    file: str,
    data: bytes,
    expected_size: tuple[int, int] | None = None,
    at_least: tuple[int, int] | None = None,
) -> RGB:
    """Decode bytes that were read from `file` as [H, W, 3] uint8 RGB; see `read_image`.

    With `at_least` (height, width) a JPEG may be decoded at a half, a quarter or an eighth of its
    size, which is much faster; none of its sides becomes shorter than that.
    """
    image = _open(file, io.BytesIO(data))
    try:
        if expected_size is not None and sorted(image.size) != sorted(expected_size):
            _check_size(file, _shown_size(image), expected_size)  # before it takes any memory
        size = _shrink_in_decoder(image, at_least)
        is_deep = has_16_bits(image)
        depth = declared_depth(image, data) if is_deep else None
        image.load()
        if is_deep and len(image.getbands()) > 1:
            image = with_all_levels(image, data, depth)
        image = ImageOps.exif_transpose(image)
    except ImageError:
        raise
    except BOMBS as error:
        raise _too_large(file, error) from error
    except DAMAGED as error:
        raise _damaged(file, error) from error
    pixels = _to_rgb(file, image, depth)
    if expected_size is not None:
        _check_size(file, size or (pixels.shape[0], pixels.shape[1]), expected_size)
    return pixels


def read_bytes(file: str) -> bytes:
    """Read the bytes of an image file.

    Raises ImageError when there are none, and StorageAway, which says nothing about the image.
    """
    with _reading(file):
        _check_kind(file)
        data = patiently(UPath(file).read_bytes)
    if not data:
        raise ImageError(file, "the file has zero bytes", "fetch the file again")
    return bytes(data)


def read_size(file: str, expected_size: tuple[int, int] | None = None) -> tuple[int, int]:
    """Read (height, width) of the image at a path or URI, rotated as EXIF says.

    Only the beginning of the file is read, so the rest may be damaged.  Raises ImageError as
    `read_image`.
    """
    with _reading(file):
        _check_kind(file)
        with UPath(file).open("rb", block_size=HEADER) as stream:
            image = _open(file, stream)
            try:
                height, width = _shown_size(image)
            except DAMAGED as error:
                raise _damaged(file, error) from error
    if expected_size is not None:
        _check_size(file, (height, width), expected_size)
    return height, width


def shortest_edge_size(height: int, width: int, shorter: int, longest: int) -> tuple[int, int]:
    """Return (h, w) with the shorter side `shorter`, or less so that no side exceeds `longest`."""
    scale = min(shorter / min(height, width), longest / max(height, width))
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def resize_image(pixels: RGB, height: int, width: int) -> RGB:
    """Resize an image to [height, width, 3], bilinear, averaging when it becomes smaller."""
    if pixels.shape[:2] == (height, width):
        return pixels
    resized = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized)


def resize_mask(mask: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Resize masks [..., H, W] to [..., height, width] by the pixel nearest to each centre."""
    rows = (2 * np.arange(height) + 1) * mask.shape[-2] // (2 * height)
    columns = (2 * np.arange(width) + 1) * mask.shape[-1] // (2 * width)
    return np.asarray(mask[..., rows[:, None], columns])


def image_uri(images: str, file_name: str) -> str:
    """Locate an image: absolute names and URIs stay as they are, others lie under `images`."""
    if not images or file_name.startswith("/") or "://" in file_name:
        return file_name
    return f"{images.rstrip('/')}/{file_name}" if images != "/" else f"/{file_name}"


def _check_kind(file: str) -> None:
    """Raise for what is no file, such as a pipe, of which reading might never end."""
    path = UPath(file)
    if not is_local(path):
        return
    status = Path(path.path).stat()
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(file)
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(file, "this is a pipe, a socket or a device", "an image file is needed")
    if status.st_size > MAX_BYTES:
        found = f"the file has {status.st_size / 1e9:.1f} gigabytes"
        raise ImageError(file, found, "cut the image into tiles")


@contextmanager
def _reading(file: str) -> Iterator[None]:
    """Turn exceptions of file systems into ImageErrors."""
    try:
        yield
    except (ImageError, MemoryError, StorageAway):
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingImage(
            file, "there is no such file", "check the images folder and `file_name`"
        ) from error
    except IsADirectoryError as error:
        raise ImageError(file, "this is a folder", "an image file is needed") from error
    except Exception as error:  # file systems of buckets raise errors of all kinds
        if is_passing(error):
            raise StorageAway(f"{file}: {error}") from error
        raise ImageError(file, f"cannot be read ({error})", "check access to it") from error


def _damaged(file: str, error: Exception) -> ImageError:
    return ImageError(file, f"the image is cut short or damaged ({error})", "fetch the file again")


def _too_large(file: str, error: Warning | Exception) -> ImageError:
    return ImageError(file, f"too many pixels ({error})", "cut the image into tiles")


def _open(file: str, stream: IO[bytes]) -> Image.Image:
    try:
        return Image.open(stream)
    except BOMBS as error:
        raise _too_large(file, error) from error
    except UnidentifiedImageError as error:
        stream.seek(0)
        raise ImageError(
            file,
            f"not an image that can be read (it begins with {stream.read(8)!r})",
            "save it as JPEG or PNG",
        ) from error
    except DAMAGED as error:
        raise _damaged(file, error) from error


def _shrink_in_decoder(
    image: Image.Image, at_least: tuple[int, int] | None
) -> tuple[int, int] | None:
    """Ask a JPEG's decoder for fewer pixels; None where it was not asked.

    Otherwise (height, width) that the image has without, as a viewer shows it.
    """
    if at_least is None or image.format not in ("JPEG", "MPO"):
        return None
    on_its_side = _is_on_its_side(image)
    height, width = image.size if on_its_side else image.size[::-1]
    image.draft(None, at_least if on_its_side else at_least[::-1])
    return height, width


def _shown_size(image: Image.Image) -> tuple[int, int]:
    """Return the (height, width) of an image that was not loaded yet, rotated as EXIF says."""
    turned = image.format != "TIFF" and _is_on_its_side(image)  # Pillow turns a TIFF itself
    width, height = image.size[::-1] if turned else image.size
    return height, width


def _is_on_its_side(image: Image.Image) -> bool:
    """Tell whether EXIF swaps height and width."""
    # Pillow's own method for PNG decodes all pixels, in case there is EXIF behind them.
    return Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)


def _to_rgb(file: str, image: Image.Image, declared: int | None) -> RGB:
    """Convert an image to [H, W, 3]; `declared` is the depth in bits that its file declares."""
    mode = image.mode
    if mode == "F":
        raise ImageError(file, "pixels are floating-point numbers", "save it with 8 or 16 bits")
    if mode == "I" or mode.startswith("I;16"):
        return _from_16_bits(file, np.asarray(image), declared)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return np.asarray(image.convert("RGB"))


def _from_16_bits(file: str, values: NDArray[Any], declared: int | None) -> RGB:
    """Scale the range of the depth in use to the full range."""
    lowest, largest = int(values.min()), int(values.max())
    if lowest < 0 or largest > 65535:
        raise ImageError(file, f"pixel values from {lowest} to {largest}", "save it with 16 bits")
    gray = to_8_bits(values, used_depth(largest, declared))
    return np.repeat(gray[:, :, None], 3, axis=2)


def _check_size(file: str, found: tuple[int, int], expected: tuple[int, int]) -> None:
    if found == expected:
        return
    swapped = found == (expected[1], expected[0])
    raise ImageError(
        file,
        f"the image is {found[1]} x {found[0]} pixels (width x height), its annotations are for "
        f"{expected[1]} x {expected[0]}",
        "the sides are swapped: were the annotations made without the EXIF rotation?"
        if swapped
        else "annotate this image or use the one that was annotated",
    )
