"""Class maps of the Semantic Boundaries Dataset as it is published: MATLAB files, version 5.

Such a file is a header of 128 bytes and then elements, each a type, a size and its data, perhaps
compressed.  A matrix is an element of elements: flags, dimensions, name, and values by column; one
of structures has the names of its fields, and a matrix for each, in place of values.  Here the
matrix `GTcls` has a field `Segmentation`, the class map.
"""

import struct
import zlib
from collections.abc import Iterator
from math import prod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Order = Literal["<", ">"]  # of bytes

STRUCTURE, FIELD = "GTcls", "Segmentation"
HEADER = 128  # bytes
MATRIX, COMPRESSED = 14, 15  # types of elements
STRUCTURES = 2  # class of a matrix; those of numbers are 6 to 15
NUMBERS = range(6, 16)
DTYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8"}  # by type


def read_segmentation(data: bytes) -> NDArray[np.generic]:
    """Read the values [H, W] of the field `Segmentation` of `GTcls`.

    Raises ValueError for a file of another kind, and for one that is damaged.
    """
    if len(data) < HEADER or data[126:128] not in (b"IM", b"MI"):
        raise ValueError("it is no MATLAB file of version 5")
    order: Order = "<" if data[126:128] == b"IM" else ">"
    try:
        for kind, content in _elements(data[HEADER:], order):
            if kind == MATRIX and (found := _segmentation(content, order)) is not None:
                return found
    except (struct.error, zlib.error, KeyError) as error:
        raise ValueError(f"it is damaged ({error})") from error
    raise ValueError(f"it has no {STRUCTURE} with {FIELD}")


def _elements(data: bytes, order: Order) -> Iterator[tuple[int, bytes]]:
    """Yield the type and the content of each element; compressed ones are unpacked."""
    place = 0
    while place < len(data):
        kind, size = struct.unpack_from(f"{order}II", data, place)
        if kind >> 16:  # a small one: its size and its content share the eight bytes
            kind, size, start = kind & 0xFFFF, kind >> 16, place + 4
            place += 8
        else:
            start = place + 8
            place = start + size + (-size % 8 if kind != COMPRESSED else 0)
        content = data[start : start + size]
        if len(content) < size:
            raise ValueError("it ends too early")
        if kind == COMPRESSED:
            yield from _elements(zlib.decompress(content), order)
        else:
            yield kind, content


def _segmentation(matrix: bytes, order: Order) -> NDArray[np.generic] | None:
    """Read the wanted field of a matrix; None if this is another one."""
    flags, _, name, *rest = _parts(matrix, order, 3)
    if _text(name) != STRUCTURE or _class(flags, order) != STRUCTURES or len(rest) < 2:
        return None
    length, names, *contents = rest
    step = struct.unpack_from(f"{order}I", length)[0]
    fields = [_text(names[place : place + step]) for place in range(0, len(names), step or 1)]
    found = dict(zip(fields, contents, strict=False)).get(FIELD)
    return None if found is None else _numbers(found, order)


def _numbers(matrix: bytes, order: Order) -> NDArray[np.generic]:
    """Read the values of a matrix of numbers, [H, W]."""
    flags, sizes, _, values = _parts(matrix, order, 4)[:4]
    shape = struct.unpack(f"{order}{len(sizes) // 4}i", sizes)
    if _class(flags, order) not in NUMBERS or len(shape) != 2:
        raise ValueError(f"its {FIELD} is no matrix of numbers")
    kind = [kind for kind, _ in _elements(matrix, order)][3]
    found = np.frombuffer(values, np.dtype(DTYPES[kind]).newbyteorder(order))
    if found.size != prod(shape):
        raise ValueError(f"its {FIELD} has {found.size} values for {shape[0]} x {shape[1]} pixels")
    return found.reshape(shape, order="F")


def _parts(matrix: bytes, order: Order, least: int) -> list[bytes]:
    """List the contents of the elements of a matrix.  Raises ValueError for fewer than `least`."""
    parts = [content for _, content in _elements(matrix, order)]
    if len(parts) < least:
        raise ValueError("it is damaged (a matrix without its parts)")
    return parts


def _text(content: bytes) -> str:
    return content.split(b"\0")[0].decode("latin-1")


def _class(flags: bytes, order: Order) -> int:
    return int(struct.unpack_from(f"{order}I", flags)[0] & 0xFF)
