"""Pictures that came with a request: bytes of a stranger -> checked size and format -> pixels."""

import hashlib
import io
import warnings
from dataclasses import dataclass

from PIL import ExifTags, Image
from PIL.Image import DecompressionBombError

from ray_wssis.data.images import (
    DAMAGED,
    RGB,
    ImageError,
    decode_image,
    resize_image,
    shortest_edge_size,
)
from ray_wssis.streaming.decode import MEGAPIXEL, SHARPER, no_pixels
from wssis_serve.http.errors import ApiError

FORMATS = ("JPEG", "PNG", "WEBP")
OTHER_FORMATS = {  # how files begin that people send instead
    b"GIF8": "a GIF",
    b"BM": "a BMP",
    b"II*\0": "a TIFF",
    b"MM\0*": "a TIFF",
    b"%PDF": "a PDF",
    b"<": "a text (HTML, XML or SVG)",
    b"{": "a text (JSON)",
}
MAX_SCANS = 100  # of a JPEG; cameras write 1, progressive encoders about 10, bombs thousands
MAX_PACKED = 64  # chunks of a PNG that are no pixels and unpack to as much as a megabyte each

# What Pillow thinks of damaged metadata is of no use in the log of a server.
warnings.filterwarnings("ignore", module="PIL")


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """The pixels of a picture that is `height` x `width` in its original size."""

    id: str  # see `picture_id`
    height: int
    width: int
    network_image: RGB  # [h, w, 3] uint8
    image: RGB  # [H, W, 3] uint8, or no pixels where nobody needs them

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the original."""
        return self.height, self.width

    @property
    def network_size(self) -> tuple[int, int]:
        """Height and width in the network."""
        return self.network_image.shape[0], self.network_image.shape[1]


def picture_id(data: bytes) -> str:
    """The same for the same bytes, and for no others: 32 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()[:32]


def check(data: bytes, max_megapixels: float) -> tuple[int, int]:
    """(width, height) of a picture as a viewer shows it, from its header alone.

    Raises ApiError: 400 without bytes, 413 with more pixels than allowed, 415 when this is no
    JPEG, PNG or WebP or is damaged.
    """
    if not data:
        raise ApiError(400, "bad_request", "the picture has no bytes")
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
        width, height = picture.size
        _check_pixels(width, height, max_megapixels)
        _check_work(data, picture.format)
        on_its_side = _is_on_its_side(data, picture)
    except DecompressionBombError as error:
        raise _too_large("the picture has far too many pixels", max_megapixels) from error
    except DAMAGED as error:
        raise _unsupported(_found(data)) from error
    return (height, width) if on_its_side else (width, height)


def decode(
    data: bytes, network_size: tuple[int, int], needs_original: bool, max_megapixels: float
) -> Decoded:
    """The pixels of a picture.  `network_size` is (shorter side, longest side).

    Raises ApiError as `check` does, and 415 when the pixels are damaged.
    """
    width, height = check(data, max_megapixels)
    small = shortest_edge_size(height, width, *network_size)
    at_least = None if needs_original else (SHARPER * small[0], SHARPER * small[1])
    try:
        image = decode_image("the picture", data, (height, width), at_least)
    except ImageError as error:
        raise _unsupported(error.found) from error
    except MemoryError as error:
        raise ApiError(503, "overloaded", "no memory for this picture now", 1) from error
    except DAMAGED as error:
        raise _unsupported("the picture is damaged") from error
    return Decoded(
        id=picture_id(data),
        height=height,
        width=width,
        network_image=resize_image(image, *small),
        image=image if needs_original else no_pixels(),
    )


def _check_pixels(width: int, height: int, max_megapixels: float) -> None:
    if width * height > max_megapixels * MEGAPIXEL:
        raise _too_large(f"the picture has {width} x {height} pixels", max_megapixels)


def _check_work(data: bytes, format: str | None) -> None:
    """Refuse the few bytes that would keep a decoder busy for minutes."""
    if format == "PNG":
        num_packed = sum(data.count(kind) for kind in (b"iCCP", b"zTXt", b"iTXt"))
        if num_packed > MAX_PACKED:
            raise _unsupported(f"a PNG with {num_packed} packed texts or profiles")
    elif format != "WEBP":
        num_scans = data.count(b"\xff\xda")
        if num_scans > MAX_SCANS:
            raise _unsupported(f"a JPEG with {num_scans} scans")


def _is_on_its_side(data: bytes, picture: Image.Image) -> bool:
    """What EXIF says.  A PNG may say it behind its pixels, so that they are decoded to know."""
    kinds = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")
    if picture.format == "PNG" and not any(kind in data for kind in kinds):
        return False
    return picture.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)


def _found(data: bytes) -> str:
    for beginning, name in OTHER_FORMATS.items():
        if data.startswith(beginning):
            return f"this is {name}"
    if data.startswith((b"\xff\xd8\xff", b"\x89PNG", b"RIFF")):
        return "the picture is cut short or damaged"
    return f"this begins with {data[:8]!r}"


def _unsupported(found: str) -> ApiError:
    return ApiError(
        415, "unsupported_picture", f"{found}; wanted is an undamaged JPEG, PNG or WebP picture"
    )


def _too_large(found: str, max_megapixels: float) -> ApiError:
    return ApiError(
        413,
        "too_large",
        f"{found}; at most {max_megapixels:g} megapixels are taken: make it smaller",
    )
