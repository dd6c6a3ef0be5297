"""Instance masks as COCO run-length codes, and measurements of them.

A mask is kept as its *counts*: the bytes of COCO's compressed run-length code, which goes down
the columns of the image and counts background and object pixels in turn.  Counts do not contain
the size of the image, so every function takes `height` and `width`.  Pixels are unpacked only
where they are needed.

Points and boxes are (x, y) in pixels of the mask.  The centre of the top left pixel is (0.5, 0.5).
"""

from collections.abc import Sequence
from math import floor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

Mask = NDArray[np.bool_]
Box = tuple[int, int, int, int]  # x0, y0, x1, y1; x1 and y1 exclusive

FARTHEST = 1e6  # pixels: the C code walks along an outline step by step, and fails far out


def encode(mask: NDArray[Any]) -> bytes:
    """Encode a [H, W] mask as counts; every pixel that is not zero belongs to the object."""
    if mask.ndim != 2:
        raise ValueError(f"a mask has two axes (height, width), this one has shape {mask.shape}")
    return bytes(coco_mask.encode(np.asfortranarray(mask != 0, dtype=np.uint8))["counts"])


def encode_in_box(part: Mask, box: Box, height: int, width: int) -> bytes:
    """Encode a mask of (height, width) that is `part` inside the box and empty elsewhere.

    Works on the box alone: its runs are moved to their places in the columns of the image.
    """
    x0, y0, _, _ = box
    rows = part.shape[0] + 1
    padded = np.zeros((rows, part.shape[1]), dtype=np.uint8, order="F")
    padded[:-1] = part  # with an empty row below, every run ends in the column that it starts in
    column, row = np.divmod(np.cumsum(run_lengths(encode(padded))), rows)
    edges = ((column + x0) * height + row + y0)[: column.size // 2 * 2]  # starts, ends in turn
    joined = np.flatnonzero(edges[1:] == edges[:-1])  # runs that touch across the edge of a column
    edges = np.delete(edges, np.concatenate([joined, joined + 1]))
    lengths = np.diff(np.concatenate([[0], edges, [height * width]]))
    if lengths[-1] == 0:
        lengths = lengths[:-1]
    return from_uncompressed(lengths.tolist(), height, width)


def decode(counts: bytes, height: int, width: int) -> Mask:
    """Decode counts into a [height, width] mask.

    Raises ValueError when they describe a mask of another size.
    """
    runs = run_lengths(counts)
    _check_runs(runs, height, width)
    is_object = np.arange(runs.size) % 2 == 1
    return np.repeat(is_object, runs).reshape(width, height).T


def from_polygons(polygons: Sequence[Sequence[float]], height: int, width: int) -> bytes:
    """Return the counts of the union of polygons, each a flat list x0, y0, x1, y1, ...

    A part with fewer than three corners has no area and adds nothing.  An outline so small that
    it covers no pixel's centre becomes the pixel it lies in, so that no tiny object is lost.
    Raises ValueError for a polygon that is no list of pairs of numbers up to `FARTHEST`, or when
    no part has three corners.
    """
    for polygon in polygons:
        _check_polygon(polygon)
    parts = [[float(value) for value in polygon] for polygon in polygons if len(polygon) >= 6]
    if not parts:
        raise ValueError("no polygon has three corners (six numbers)")
    counts = bytes(coco_mask.merge(coco_mask.frPyObjects(parts, height, width))["counts"])
    return counts if area(counts, height, width) else _nearest_pixel(parts[0], height, width)


def disc(point: tuple[float, float], area: float, height: int, width: int) -> bytes:
    """Return the counts of a disc of `area` pixels around `point` (x, y), cut at the image border.

    It holds at least the pixel in which the point lies.
    """
    x, y = point
    rows, columns = np.arange(height)[:, None] + 0.5, np.arange(width)[None, :] + 0.5
    mask = (columns - x) ** 2 + (rows - y) ** 2 <= area / np.pi
    mask[min(int(y), height - 1), min(int(x), width - 1)] = True
    return encode(mask)


def from_uncompressed(lengths: Sequence[int], height: int, width: int) -> bytes:
    """Return the counts of a plain list of run lengths, background first.

    Raises ValueError when the runs do not cover height * width pixels exactly.
    """
    runs = np.asarray(lengths)
    if runs.ndim != 1 or (runs.size and not np.issubdtype(runs.dtype, np.integer)):
        raise ValueError("run lengths are not a list of whole numbers")
    _check_runs(runs, height, width)
    rle = {"size": [height, width], "counts": runs.tolist()}
    return bytes(coco_mask.frPyObjects(rle, height, width)["counts"])


def checked(counts: bytes, height: int, width: int) -> bytes:
    """Return `counts` if it describes a height x width mask.

    Raises ValueError otherwise.  Counts from a file must pass through this function: the C code
    behind the others trusts its input.
    """
    _check_runs(run_lengths(counts), height, width)
    return counts


def placed(
    counts: bytes, size: tuple[int, int], corner: tuple[int, int], whole: tuple[int, int]
) -> bytes:
    """Return the counts of the mask of a tile in its image.

    `size` and `whole` are (height, width) of the tile and of the image, `corner` is (y, x) of the
    tile's upper left pixel.
    """
    x0, y0, x1, y1 = bounding_box(counts, *size)
    if x0 == x1:
        return nowhere(*whole)
    y, x = corner
    part = decode(counts, *size)[y0:y1, x0:x1]
    return encode_in_box(part, (x0 + x, y0 + y, x1 + x, y1 + y), *whole)


def run_lengths(counts: bytes) -> NDArray[np.int64]:
    """Return the lengths of the runs, background first, down the columns.

    Each number is written in groups of five bits, lowest first, bit 6 saying that more follow;
    from the fourth on it is the difference to the number two before.
    """
    codes = np.frombuffer(counts, dtype=np.uint8).astype(np.int64) - 48
    if codes.size == 0:
        return np.zeros(0, dtype=np.int64)
    if codes.min() < 0 or codes.max() > 63 or codes[-1] & 32:
        raise ValueError(f"not a compressed run-length code: {counts[:24]!r}")
    last = np.flatnonzero((codes & 32) == 0)  # where each number ends
    first = np.concatenate([[0], last[:-1] + 1])
    place = np.arange(codes.size) - np.repeat(first, last - first + 1)  # group within its number
    if place.max() > 11:
        raise ValueError(f"not a compressed run-length code: {counts[:24]!r}")
    values = np.add.reduceat((codes & 31) << (5 * place), first)
    negative = (codes[last] & 16) != 0
    values = np.where(negative, values - (np.int64(1) << (5 * (place[last] + 1))), values)
    if values.size > 3:  # undo the differences: two chains, of the even and of the odd runs
        values[1::2] = np.cumsum(values[1::2])
        values[2::2] = np.cumsum(values[2::2])
    return values


def pixels(counts: bytes, height: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return columns and rows of the object's pixels, down the columns."""
    runs = run_lengths(counts)
    ends = np.cumsum(runs)
    inside = runs[1::2]  # every second run is the object
    starts = ends[1::2] - inside
    before = np.cumsum(inside) - inside  # object pixels in earlier runs
    index = np.arange(inside.sum()) + np.repeat(starts - before, inside)
    column, row = np.divmod(index, height)
    return column, row


def contains(counts: bytes, height: int, width: int, point: tuple[float, float]) -> bool:
    """Tell whether the pixel in which `point` (x, y) lies belongs to the object."""
    x, y = floor(point[0]), floor(point[1])
    if not (0 <= x < width and 0 <= y < height):
        return False
    ends = np.cumsum(run_lengths(counts))
    return bool(np.searchsorted(ends, x * height + y, side="right") % 2)


def area(counts: bytes, height: int, width: int) -> int:
    """Count the pixels of the object."""
    return int(coco_mask.area(_rle(counts, height, width)))


def complement(counts: bytes, height: int, width: int) -> bytes:
    """Return the counts of all pixels that do not belong to the object."""
    runs = run_lengths(counts).tolist()
    rest = runs[1:] if runs and runs[0] == 0 else [0, *runs]
    return from_uncompressed(rest, height, width)


def everywhere(height: int, width: int) -> bytes:
    """Return the counts of a mask of all pixels."""
    return from_uncompressed([0, height * width], height, width)


def nowhere(height: int, width: int) -> bytes:
    """Return the counts of a mask without any pixel."""
    return from_uncompressed([height * width], height, width)


def union(parts: Sequence[bytes], height: int, width: int) -> bytes:
    """Return the counts of all pixels that belong to at least one of the masks."""
    rles = [_rle(counts, height, width) for counts in parts]
    return bytes(coco_mask.merge(rles)["counts"])


def intersection(counts_a: bytes, counts_b: bytes, height: int, width: int) -> bytes:
    """Return the counts of the pixels that belong to both masks."""
    both = [_rle(counts_a, height, width), _rle(counts_b, height, width)]
    return bytes(coco_mask.merge(both, intersect=True)["counts"])


def overlap(counts_a: bytes, counts_b: bytes, height: int, width: int) -> int:
    """Count the pixels that belong to both masks."""
    both = [_rle(counts_a, height, width), _rle(counts_b, height, width)]
    return int(coco_mask.area(coco_mask.merge(both, intersect=True)))


def bounding_box(counts: bytes, height: int, width: int) -> tuple[int, int, int, int]:
    """Return (x0, y0, x1, y1) around the object, x1 and y1 exclusive; zeros for an empty mask."""
    x, y, w, h = (int(side) for side in coco_mask.toBbox(_rle(counts, height, width)))
    return x, y, x + w, y + h


def centroid(counts: bytes, height: int, width: int) -> tuple[float, float]:
    """Return the mean (x, y) of the object's pixel centres, which may lie outside a ring."""
    column, row = pixels(counts, height)
    if column.size == 0:
        raise ValueError(f"an empty {height} x {width} mask has no centroid")
    return float(column.mean()) + 0.5, float(row.mean()) + 0.5


def iou(counts_a: bytes, counts_b: bytes, height: int, width: int) -> float:
    """Return the intersection over union of two masks; 0 when both are empty."""
    return float(pairwise_iou([counts_a], [counts_b], height, width)[0, 0])


def pairwise_iou(
    masks_a: Sequence[bytes], masks_b: Sequence[bytes], height: int, width: int
) -> NDArray[np.float64]:
    """Return [len(masks_a), len(masks_b)] intersections over unions of all pairs."""
    if not masks_a or not masks_b:
        return np.zeros((len(masks_a), len(masks_b)))
    rles_a = [_rle(counts, height, width) for counts in masks_a]
    rles_b = [_rle(counts, height, width) for counts in masks_b]
    return np.nan_to_num(np.asarray(coco_mask.iou(rles_a, rles_b, [0] * len(rles_b)), np.float64))


def _rle(counts: bytes, height: int, width: int) -> dict[str, Any]:
    return {"size": [height, width], "counts": counts}


def _check_runs(runs: NDArray[Any], height: int, width: int) -> None:
    if runs.size and runs.min() < 0:
        raise ValueError(f"a run of {runs.min()} pixels")
    if runs.sum() != height * width:
        raise ValueError(
            f"the runs cover {runs.sum()} pixels, the image has {height} x {width} = "
            f"{height * width}"
        )


def _check_polygon(polygon: Sequence[float]) -> None:
    if not isinstance(polygon, list | tuple):
        raise ValueError(f"a polygon is a list of numbers, found {polygon!r:.40}")
    if len(polygon) % 2:
        raise ValueError(f"a polygon of {len(polygon)} numbers; x, y pairs make an even number")
    for value in polygon:
        if not isinstance(value, int | float) or not abs(value) <= FARTHEST:
            raise ValueError(f"a polygon with the coordinate {value!r:.40}")


def _nearest_pixel(polygon: list[float], height: int, width: int) -> bytes:
    """Return the pixel that holds the middle of the outline; nothing when that is off the image."""
    mask = np.zeros((height, width), dtype=bool)
    column, row = (
        int(np.floor(np.mean(polygon[0::2]))),
        int(np.floor(np.mean(polygon[1::2]))),
    )
    if 0 <= column < width and 0 <= row < height:
        mask[row, column] = True
    return encode(mask)
