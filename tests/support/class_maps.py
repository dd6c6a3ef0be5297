"""Images and class maps in files, as people have them."""

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAP = np.array([[0, 0, 1, 1, 2, 2]] * 4, np.uint8)
PALETTE = [*(0, 0, 0), *(128, 0, 0), *(0, 128, 0)]


def write_image(file: Path, height: int = 4, width: int = 6) -> None:
    """Write an image unlike others of the same size."""
    file.parent.mkdir(parents=True, exist_ok=True)
    seed = zlib.crc32(str(file).encode())
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)


def write_map(
    file: Path, values: NDArray[np.uint8], palette: list[int] | None = None, bits: int = 8
) -> None:
    """Write values as a gray or palette PNG with 1, 2, 4 or 8 bits a pixel."""
    file.parent.mkdir(parents=True, exist_ok=True)
    height, width = values.shape
    each = 8 // bits  # values in a byte
    padded = np.pad(values, ((0, 0), (0, -width % each)))
    packed = np.zeros((height, padded.shape[1] // each), np.uint8)
    for place in range(each):
        packed |= padded[:, place::each].astype(np.uint8) << (8 - bits * (place + 1))
    rows = b"".join(b"\0" + row.tobytes() for row in packed)
    colour_type = 0 if palette is None else 3
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0))]
    if palette is not None:
        colours = bytes(palette[: 3 * 2**bits])
        chunks.append((b"PLTE", colours.ljust(3 * min(2**bits, 16), b"\0")))
    chunks += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    file.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks
        )
    )


def write_voc(root: Path, strong: str, weak: str, validation: str) -> Path:
    """Write a VOC tree with an image for each letter; the weak ones have maps of SBD's."""
    lists = root / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    for name, letters in (("train", strong), ("trainaug", strong + weak), ("val", validation)):
        (lists / f"{name}.txt").write_text("".join(f"2007_00000{x}\n" for x in letters))
    for letter in dict.fromkeys(strong + weak + validation):
        name = f"2007_00000{letter}"
        write_image(root / f"JPEGImages/{name}.jpg")
        if letter in weak:
            write_map(root / f"SegmentationClassAug/{name}.png", MAP)
        else:
            values = np.where(MAP == 2, 255, MAP * 15).astype(np.uint8)
            colours = [value % 256 for value in range(3 * 256)]
            write_map(root / f"SegmentationClass/{name}.png", values, palette=colours)
    return root


def write_cityscapes(root: Path, train: list[str], validation: list[str]) -> Path:
    """Write a Cityscapes tree; names are those of files, CITY_000000_000001."""
    values = np.array([[7, 7, 24, 24, 3, 3]] * 4, np.uint8)
    for part, names in (("train", train), ("val", validation)):
        for name in names:
            place = f"{part}/{name.partition('_')[0]}/{name}"
            write_image(root / f"leftImg8bit/{place}_leftImg8bit.png")
            write_map(root / f"gtFine/{place}_gtFine_labelIds.png", values)
            write_map(root / f"gtFine/{place}_gtFine_instanceIds.png", values)
    return root
