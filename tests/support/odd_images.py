"""Files of 40 and more kinds that people have in their folders of images, good and bad."""

import io
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import ExifTags, Image

SIZE = 48, 64  # height and width of every image that can be read


@dataclass(frozen=True)
class Odd:
    """A file, and whether it can be read as an image of `SIZE`."""

    kind: str
    name: str  # under the folder
    good: bool


def image(seed: int = 0, mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def encoded(format: str, seed: int = 0, mode: str = "RGB", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image(seed, mode).save(buffer, format, **options)
    return buffer.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def png(width: int, height: int, body: bytes, depth: int = 8, colour: int = 2) -> bytes:
    header = chunk(b"IHDR", struct.pack(">II5B", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + body + chunk(b"IEND", b"")


def sixteen(extension: str, seed: int, channels: int) -> bytes:
    shape = (*SIZE, channels) if channels > 1 else SIZE
    values = np.random.default_rng(seed).integers(0, 65536, shape, dtype=np.uint16)
    return bytes(cv2.imencode(extension, values)[1])


def with_exif(content: bytes) -> bytes:
    """A JPEG with these bytes as EXIF."""
    data = encoded("JPEG")
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content + data[2:]


def cut(format: str, extension: str, **options: Any) -> Iterator[tuple[str, bytes]]:
    data = encoded(format, **options)
    for share in (0.02, 0.2, 0.5, 0.8, 0.95):
        yield f"{share}{extension}", data[: int(len(data) * share)]


def no_images() -> Iterator[tuple[str, str, bytes]]:
    """Yield kind, name and bytes of files that are no images."""
    rng = np.random.default_rng(1)
    for kind, content in {
        "zero bytes": b"",
        "text": b"Quota exceeded, try again later.\n",
        "HTML": b"<!DOCTYPE html><html><head><title>404</title></head></html>",
        "SVG": b"<svg xmlns='http://www.w3.org/2000/svg' width='64' height='48'/>",
        "JSON": b'{"error": "access denied"}',
        "pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n",
        "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200),
        "video": b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(200),
        "PDF": b"%PDF-1.7\n1 0 obj\n",
        "archive": b"PK\3\4" + bytes(100),
        "gzip": b"\x1f\x8b\x08\0" + bytes(60),
        "array": b"\x93NUMPY\1\0v\0{'descr': '|u1', 'fortran_order': False, 'shape': (48, 64)}",
        "DICOM": bytes(128) + b"DICM" + bytes(60),
        "nothing but zeros": bytes(5000),
        "noise": rng.integers(0, 256, 5000, dtype=np.uint8).tobytes(),
        "UTF-16": "﻿no image".encode("utf-16"),
    }.items():
        for extension in (".jpg", ".png", ".tif", ".bmp"):
            yield kind, f"{kind}{extension}", content


def broken_images() -> Iterator[tuple[str, str, bytes]]:
    """Yield kind, name and bytes of images that cannot be read."""
    for format, extension, options in (
        ("JPEG", ".jpg", {}),
        ("JPEG", "_progressive.jpg", {"progressive": True}),
        ("PNG", ".png", {}),
        ("TIFF", ".tif", {}),
        ("TIFF", "_lzw.tif", {"compression": "tiff_lzw"}),
        ("WEBP", ".webp", {}),
        ("BMP", ".bmp", {}),
    ):
        for name, data in cut(format, extension, **options):
            yield f"cut {format}", f"cut{name}", data
    for side in (0, 65_000, 2**31 - 1):
        yield "impossible size", f"{side}.png", png(side, side, chunk(b"IDAT", b""))
    zeros = zlib.compress(bytes(1 << 20))
    yield "bomb", "bomb.png", png(20_000, 20_000, chunk(b"IDAT", zeros * 20))
    text = chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(80 << 20)))
    yield "bomb", "text.png", png(64, 48, text + chunk(b"IDAT", b""))
    damaged = bytearray(encoded("PNG"))
    damaged[200:260] = bytes(60)
    yield "damaged", "damaged.png", bytes(damaged)
    yield "no pixels", "header.png", png(64, 48, b"")
    for mode in ("F", "I"):
        values = np.full(SIZE, 1e6, np.float32 if mode == "F" else np.int32)
        buffer = io.BytesIO()
        Image.fromarray(values).save(buffer, "TIFF")
        yield "numbers beyond 16 bits", f"{mode}.tif", buffer.getvalue()
    for seed, format in enumerate(("JPEG", "PNG", "TIFF", "WEBP")):
        buffer = io.BytesIO()
        image(seed).resize((30, 20)).save(buffer, format)
        yield "another size", f"small.{format.lower()}", buffer.getvalue()


def good_images() -> Iterator[tuple[str, str, bytes]]:
    """Yield kind, name and bytes of odd images that can be read."""
    for format, extension in (
        *(("JPEG", "jpg"), ("PNG", "png"), ("TIFF", "tif"), ("WEBP", "webp"), ("BMP", "bmp")),
        *(("GIF", "gif"), ("TGA", "tga"), ("PPM", "ppm"), ("JPEG2000", "jp2"), ("AVIF", "avif")),
    ):
        yield "format", f"plain.{extension}", encoded(format)
    for format, extension in (("PNG", "jpg"), ("JPEG", "png"), ("TIFF", "png"), ("GIF", "jpeg")):
        yield "wrong extension", f"is_a_{format}.{extension}", encoded(format)
    yield "wrong extension", "none", encoded("PNG")
    yield "CMYK", "cmyk.jpg", encoded("JPEG", mode="CMYK")
    yield "CMYK", "cmyk.tif", encoded("TIFF", mode="CMYK")
    for mode in ("L", "LA", "P", "1", "RGBA"):
        yield f"mode {mode}", f"{mode}.png", encoded("PNG", mode=mode)
        yield f"mode {mode}", f"{mode}.tif", encoded("TIFF", mode=mode)
    for seed in range(3):
        yield "palette", f"{seed}.png", encoded("PNG", seed, "P", transparency=seed)
        yield "palette", f"{seed}.gif", encoded("GIF", seed, "P", transparency=seed)
    big = np.random.default_rng(0).integers(0, 65536, SIZE).astype(">u2")
    buffer = io.BytesIO()
    Image.frombytes("I;16B", SIZE[::-1], big.tobytes()).save(buffer, "TIFF")
    yield "big-endian", "big.tif", buffer.getvalue()
    for channels in (1, 3, 4):
        for extension in (".png", ".tif"):
            yield "16 bits", f"{channels}{extension}", sixteen(extension, channels, channels)
    more: dict[str, Any] = {"save_all": True, "append_images": [image(1), image(2)]}
    for format, extension in (("GIF", "gif"), ("PNG", "png"), ("WEBP", "webp"), ("TIFF", "tif")):
        yield "several pages", f"pages.{extension}", encoded(format, **more)
    yield "several pages", "pair.mpo", encoded("MPO", **more)
    for compression in ("tiff_lzw", "tiff_deflate", "packbits", "jpeg", "raw"):
        yield "compressed TIFF", f"{compression}.tif", encoded("TIFF", compression=compression)
    tiled: dict[str, Any] = {"tiffinfo": {322: 16, 323: 16}, "compression": "tiff_deflate"}
    yield "tiled TIFF", "tiled.tif", encoded("TIFF", **tiled)
    for seed in range(5):
        tail = np.random.default_rng(seed).integers(0, 256, 500, dtype=np.uint8).tobytes()
        yield "bytes behind the end", f"{seed}.jpg", encoded("JPEG", seed) + tail
        yield "bytes behind the end", f"{seed}.png", encoded("PNG", seed) + tail
        yield "bad profile", f"profile{seed}.png", encoded("PNG", seed, icc_profile=tail)
        yield "bad profile", f"profile{seed}.jpg", encoded("JPEG", seed, icc_profile=tail)
        yield "bad EXIF", f"exif{seed}.jpg", with_exif(tail)
    for number in range(1, 5):
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = number
        yield "orientation", f"turned{number}.jpg", encoded("JPEG", exif=exif)
    yield "progressive", "progressive.jpg", encoded("JPEG", progressive=True)
    yield "one colour", "black.png", png_of(np.zeros((*SIZE, 3), np.uint8))
    yield "transparent", "clear.png", png_of(np.zeros((*SIZE, 4), np.uint8))


def png_of(pixels: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


ODD_NAMES = (
    *("line\nbreak.png", "tab\t.png", "-rf.png", "--help.png", " space .png", "emoji_🦠.png"),
    *("100%.png", "50%25.png", "a#b?c=d.png", "quote'\".png", "[red]bold.png", "{x}.png"),
    *("sub\\backslash.png", ".hidden.png", "Ünï.png", "細胞.png", "a" * 240 + ".png", "x.PNG"),
    *("many.dots.in.a.name.png", "*.png", "~.png", "con.png", "$HOME.png", "a;b&c|d.png"),
)


def write_odd_images(folder: Path) -> list[Odd]:
    """Write all of them to a folder that does not exist yet."""
    folder.mkdir()
    odd = []
    for files, good in ((no_images(), False), (broken_images(), False), (good_images(), True)):
        for kind, name, data in files:
            (folder / kind.replace(" ", "_")).mkdir(exist_ok=True)
            path = folder / kind.replace(" ", "_") / name
            path.write_bytes(data)
            odd.append(Odd(kind, str(path.relative_to(folder)), good))
    for name in ODD_NAMES:
        (folder / name).write_bytes(encoded("PNG"))
        odd.append(Odd("odd name", name, good=True))
    return odd + write_no_files(folder)


def write_no_files(folder: Path) -> list[Odd]:
    """Write what is no file, and what is not there."""
    place = folder / "no_files"
    place.mkdir()
    (place / "whole.png").write_bytes(encoded("PNG"))
    (place / "folder.png").mkdir()
    (place / "dangling.png").symlink_to(place / "gone.png")
    (place / "loop.png").symlink_to(place / "loop.png")
    (place / "link.png").symlink_to(place / "whole.png")
    os.mkfifo(place / "pipe.png")
    (place / "zeros.png").symlink_to("/dev/zero")
    (place / "null.png").symlink_to("/dev/null")
    names = ["folder", "dangling", "loop", "pipe", "zeros", "null", "missing"]
    odd = [Odd(name, f"no_files/{name}.png", good=False) for name in names]
    odd.append(Odd("link", "no_files/link.png", good=True))
    odd.append(Odd("name that is too long", "a" * 300 + ".png", good=False))
    odd.append(Odd("name with a zero byte", "zero\0byte.png", good=False))
    odd.append(Odd("file as a folder", "no_files/whole.png/x.png", good=False))
    if os.getuid():
        (place / "secret.png").write_bytes(encoded("PNG"))
        (place / "secret.png").chmod(0)
        odd.append(Odd("not to be read", "no_files/secret.png", good=False))
    return odd


def coco_of(odd: list[Odd]) -> dict[str, Any]:
    """The COCO file of these images, without annotations."""
    height, width = SIZE
    return {
        "images": [
            {"id": number, "file_name": each.name, "width": width, "height": height}
            for number, each in enumerate(odd)
        ],
        "annotations": [],
        "categories": [{"id": 1, "name": "cell"}],
    }
