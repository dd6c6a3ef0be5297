"""Facts about image files that their owner may not know, and that change what is learnt.

Each is reported once, with the number of images and an example.
"""

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from ray_wssis.data.images.bit_depth import declared_depth, has_16_bits, largest_sample, used_depth
from ray_wssis.data.images.read import DAMAGED, RGB, decode_image, read_bytes
from ray_wssis.data.problem import Problems, Severity

PAGED = ("TIFF", "GIF", "PNG", "WEBP", "AVIF")  # formats whose further images are pages
REDUCED = 254  # tag of a TIFF's page, odd for a smaller copy of another
HIDDEN = 0.05  # mean opacity, below which transparency hides an image
FEW_LEVELS = 12  # of 256 between the darkest and the brightest pixel
HALF_TURNS, QUARTER_TURNS = (2, 3, 4), (5, 6, 7, 8)  # EXIF orientations that keep width, or swap


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts about an image that can be read."""

    file: str
    num_pages: int  # 1 where there are no further ones
    is_hidden: bool  # by transparency
    contrast: int  # of the brightest sample to the darkest, 0..255
    orientation: int  # of EXIF, 1: upright
    depth: int | None  # bits in use of an image of 16; None: it has 8


def read_facts(file: str, expected_size: tuple[int, int] | None = None) -> Facts:
    """Read an image and its facts.  Raises ImageError as `images.read_image` does."""
    data = read_bytes(file)
    pixels = decode_image(file, data, expected_size)
    try:
        with Image.open(io.BytesIO(data)) as image:
            orientation = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
            depth = _depth(image, data)
            hidden, num_pages = _is_hidden(image, pixels), _num_pages(image)
    except DAMAGED:  # behind the pixels, where nobody looks
        orientation, hidden, depth, num_pages = 1, False, None, 1
    return Facts(
        file=file,
        num_pages=num_pages,
        is_hidden=hidden,
        contrast=int(pixels.max()) - int(pixels.min()),
        orientation=orientation,
        depth=depth,
    )


def note_facts(found: Sequence[Facts], problems: Problems) -> None:
    """Report what an owner should know, one finding for each kind."""

    def note(kind: str, severity: Severity, of: Sequence[Facts], what: str, wanted: str) -> None:
        if of:
            problems.add(
                severity, kind, of[0].file, f"{len(of)} of {len(found)} images {what}", wanted
            )

    paged = [facts for facts in found if facts.num_pages > 1]
    most = max((facts.num_pages for facts in paged), default=1)
    what = f"have several pages (up to {most}), of which the first is read"
    note("several pages", "warning", paged, what, "a file for each page")

    hidden = [facts for facts in found if facts.is_hidden]
    what = "are hidden by their transparency: they look white"
    note("hidden by transparency", "warning", hidden, what, "files without an alpha channel")

    flat = [facts for facts in found if facts.contrast < FEW_LEVELS and not facts.is_hidden]
    what = f"are nearly of one colour (less than {FEW_LEVELS} of 256 levels)"
    note(
        "few levels",
        "warning",
        flat,
        what,
        "images with contrast; was a mask or an empty page given?",
    )

    half = [facts for facts in found if facts.orientation in HALF_TURNS]
    turned = half + [facts for facts in found if facts.orientation in QUARTER_TURNS]
    what = "are turned as their EXIF orientation says"
    if half:
        what += f"; the sizes of {len(half)} do not tell whether their annotations are turned too"
    wanted = "width, height, points and masks of the turned images, as a viewer shows them"
    note("EXIF orientation", "warning" if half else "info", turned, what, wanted)
    _note_depths(found, problems)


def _note_depths(found: Sequence[Facts], problems: Problems) -> None:
    """Report images of 16 bits that use fewer, and data sets that mix depths."""
    deep = [facts for facts in found if facts.depth is not None]
    depths = Counter(facts.depth or 0 for facts in deep)
    fewer = [facts for facts in deep if facts.depth != 16]
    if not fewer:
        return
    counts = ", ".join(f"{depths[depth]} of {depth}" for depth in sorted(depths))
    found_text = (
        f"{len(fewer)} images of 16 bits use fewer and are stretched; bits in use: {counts}"
    )
    problems.add("info", "bit depth", fewer[0].file, found_text, "nothing")
    if len(depths) > 1:
        problems.add(
            "warning",
            "mixed bit depths",
            fewer[0].file,
            f"images of 16 bits are stretched by different depths ({counts}), so their brightness "
            "cannot be compared",
            "the depth of the camera in each file (MaxSampleValue in a TIFF), or 8 bits",
        )


def _num_pages(image: Image.Image) -> int:
    """Count the pages of an image; smaller copies in a TIFF are none."""
    num_frames = getattr(image, "n_frames", 1)
    if image.format not in PAGED or num_frames == 1:
        return 1
    if image.format != "TIFF":
        return int(num_frames)
    pages = 0
    for place in range(num_frames):
        image.seek(place)
        tags: Any = getattr(image, "tag_v2", {})
        pages += not int(tags.get(REDUCED, 0)) & 1
    return max(pages, 1)


def _is_hidden(image: Image.Image, pixels: RGB) -> bool:
    """Tell whether an image, shown as `pixels`, is hidden by its transparency."""
    if not image.has_transparency_data or pixels[::7, ::7].mean() < 255 * (1 - HIDDEN):
        return False
    return bool(np.asarray(image.convert("RGBA"))[:, :, 3].mean() < 255 * HIDDEN)


def _depth(image: Image.Image, data: bytes) -> int | None:
    """Return the bits by which an image of 16 was stretched; None for others."""
    if not has_16_bits(image):
        return None
    declared = declared_depth(image, data)
    largest = largest_sample(image)
    if len(image.getbands()) > 1:  # of which Pillow keeps the upper 8 bits
        largest = largest << 8 | 255
    return used_depth(largest, declared)
