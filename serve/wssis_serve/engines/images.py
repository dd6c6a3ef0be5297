"""Images that came with a request: bytes of a stranger -> checked size and format -> pixels."""

import hashlib
import io
import warnings
from dataclasses import dataclass

from PIL import ExifTags, Image
from PIL.Image import DecompressionBombError

from ray_wssis.data.images.read import (
    DAMAGED,
    RGB,
    ImageError,
    decode_image,
    resize_image,
    shortest_edge_size,
)
from ray_wssis.streaming.decode import MEGAPIXEL, SHARPER, no_pixels
from wssis_serve.errors import ApiError
from wssis_serve.segmented import ImageInfo

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")
WANTED = "an undamaged JPEG, PNG, WebP, TIFF or BMP image"
OTHER_FORMATS = {  # first bytes of files that people send instead
    b"GIF8": "a GIF",
    b"%PDF": "a PDF",
    b"<": "a text (HTML, XML or SVG)",
    b"{": "a text (JSON)",
}
MAX_SCANS = 100  # of a JPEG; cameras write 1, progressive encoders about 10, bombs thousands
BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"II*\0", b"MM\0*", b"BM")  # of the formats
MAX_PACKED = 64  # chunks of a PNG that hold no pixels and unpack to up to a megabyte each

# Pillow's warnings about damaged metadata are of no use in the log of a server.
warnings.filterwarnings("ignore", module="PIL")


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """The pixels of an image whose original size is `height` x `width`."""

    id: str  # see `image_id_of`
    height: int
    width: int
    network_image: RGB  # [h, w, 3] uint8
    pixels: RGB  # [H, W, 3] uint8 at the original size, or none where nobody needs them

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the original."""
        return self.height, self.width

    @property
    def info(self) -> ImageInfo:
        return ImageInfo(id=self.id, width=self.width, height=self.height)

    @property
    def network_size(self) -> tuple[int, int]:
        """(height, width) in the network."""
        return self.network_image.shape[0], self.network_image.shape[1]


def image_id_of(data: bytes) -> str:
    """An id of 32 hexadecimal digits, the same for the same bytes and for no others."""
    return hashlib.sha256(data).hexdigest()[:32]


def check(data: bytes, max_megapixels: float) -> tuple[int, int]:
    """(width, height) of an image as a viewer shows it, from its header alone.

    Raises ApiError: 400 without bytes, 413 with more pixels than allowed, 415 for anything but an
    undamaged JPEG, PNG, WebP, TIFF or BMP.
    """
    if not data:
        raise ApiError(400, "bad_request", "the image has no bytes")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        width, height = image.size
        _check_pixels(width, height, max_megapixels)
        _check_work(data, image.format)
        on_its_side = _is_on_its_side(data, image)
    except DecompressionBombError as error:
        raise _too_large("the image has far too many pixels", max_megapixels) from error
    except DAMAGED as error:
        raise _unsupported(_found(data)) from error
    return (height, width) if on_its_side else (width, height)


def decode(
    data: bytes, network_size: tuple[int, int], needs_original: bool, max_megapixels: float
) -> Decoded:
    """The pixels of an image.  `network_size` is (shorter side, longest side) in pixels.

    Raises ApiError as `check` does, and 415 when the pixels are damaged.
    """
    width, height = check(data, max_megapixels)
    small = shortest_edge_size(height, width, *network_size)
    at_least = None if needs_original else (SHARPER * small[0], SHARPER * small[1])
    try:
        pixels = decode_image("the image", data, (height, width), at_least)
    except ImageError as error:
        raise _unsupported(error.found) from error
    except MemoryError as error:
        raise ApiError(503, "overloaded", "not enough memory for this image now", 1) from error
    except DAMAGED as error:
        raise _unsupported("the image is damaged") from error
    return Decoded(
        id=image_id_of(data),
        height=height,
        width=width,
        network_image=resize_image(pixels, *small),
        pixels=pixels if needs_original else no_pixels(),
    )


def _check_pixels(width: int, height: int, max_megapixels: float) -> None:
    if width * height > max_megapixels * MEGAPIXEL:
        raise _too_large(f"the image has {width} x {height} pixels", max_megapixels)


def _check_work(data: bytes, format: str | None) -> None:
    """Refuse the few bytes that would keep a decoder busy for minutes."""
    if format == "PNG":
        num_packed = sum(data.count(kind) for kind in (b"iCCP", b"zTXt", b"iTXt"))
        if num_packed > MAX_PACKED:
            raise _unsupported(f"a PNG with {num_packed} packed texts or profiles")
    elif format in ("JPEG", "MPO"):  # libtiff has a limit of its own
        num_scans = data.count(b"\xff\xda")
        if num_scans > MAX_SCANS:
            raise _unsupported(f"a JPEG with {num_scans} scans")


def _is_on_its_side(data: bytes, image: Image.Image) -> bool:
    """Read the EXIF rotation.  A PNG may have it behind its pixels: then those are decoded too.

    Pillow turns a TIFF itself.
    """
    if image.format == "TIFF":
        return False
    kinds = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")
    if image.format == "PNG" and not any(kind in data for kind in kinds):
        return False
    return image.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)


def _found(data: bytes) -> str:
    for beginning, name in OTHER_FORMATS.items():
        if data.startswith(beginning):
            return f"this is {name}"
    if data.startswith(BEGINNINGS):
        return "the image is cut short or damaged"
    return f"this begins with {data[:8]!r}"


def _unsupported(found: str) -> ApiError:
    return ApiError(415, "unsupported_image", f"{found}; wanted: {WANTED}")


def _too_large(found: str, max_megapixels: float) -> ApiError:
    return ApiError(
        413,
        "too_large",
        f"{found}; at most {max_megapixels:g} megapixels are accepted: make it smaller",
    )
