"""Instances of a huge image, found tile by tile and joined where tiles meet.

A tile cuts objects at its border, and neighbours show the same strip.  Two masks of one class from
two tiles are one object if they agree on the part of the image that both tiles show: their IoU
there, and not that of the whole masks, of which each tile may show another half.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray

from ray_wssis import masks
from ray_wssis.instance.query_segmenter import QuerySegmenter
from ray_wssis.instance.segmenter import Found, Segmenter, network_image
from ray_wssis.instance.tile_config import Corner, TileConfig

SAME = 0.5  # IoU of the masks of one object, on what both tiles show

Size = tuple[int, int]  # height, width
RGB = UInt8[NDArray[np.uint8], "_ _ 3"]


@dataclass(frozen=True, kw_only=True)
class Tile:
    corner: Corner
    size: Size
    found: Found

    @property
    def box(self) -> masks.Box:
        """Return (x0, y0, x1, y1) of the tile in the image."""
        (y, x), (height, width) = self.corner, self.size
        return x, y, x + width, y + height


@dataclass(kw_only=True)
class Instance:
    """An object so far, in the whole image."""

    label: int
    score: float
    mask: bytes
    box: masks.Box
    tiles: list[masks.Box]  # that its mask comes from


def tiles_of(pixels: RGB, config: TileConfig) -> list[tuple[Corner, RGB]]:
    """Cut an image into tiles: upper left corners and pixels."""
    corners = config.corners(*pixels.shape[:2])
    return [((y, x), pixels[y : y + config.size, x : x + config.size]) for y, x in corners]


def segment_all(
    segmenter: Segmenter | QuerySegmenter,
    sizes: Sequence[Size],
    small: Callable[[int], RGB],
    whole: Callable[[int], RGB],
) -> list[Found]:
    """Find the instances of some images: of huge ones by their tiles, of all others together.

    `sizes` are those of the originals; `small` and `whole` return an image, by its place, as the
    network sees it and as it is.
    """
    tile = segmenter.config.tile
    huge = {place for place, size in enumerate(sizes) if tile is not None and tile.cuts(*size)}
    others = [place for place in range(len(sizes)) if place not in huge]
    found: dict[int, Found] = {}
    if others:
        images, originals = [small(place) for place in others], [sizes[place] for place in others]
        found |= zip(others, segmenter.segment(images, originals), strict=True)
    for place in huge:
        assert tile is not None
        found[place] = segment_huge(segmenter, whole(place), tile)
    return [found[place] for place in range(len(sizes))]


def segment_huge(
    segmenter: Segmenter | QuerySegmenter,
    pixels: RGB,
    config: TileConfig,
) -> Found:
    """Find all instances of an image by its tiles, one in the network at a time."""
    tiles = []
    for corner, part in tiles_of(pixels, config):
        size = part.shape[0], part.shape[1]
        (found,) = segmenter.segment([network_image(part, segmenter.config)], [size])
        tiles.append(Tile(corner=corner, size=size, found=found))
    return joined(tiles, (pixels.shape[0], pixels.shape[1]))


def joined(tiles: Sequence[Tile], size: Size) -> Found:
    """Join what was found in the tiles of an image of this size, best first.

    The score of an object is its best one, its mask the union.
    """
    whole: list[Instance] = []
    boxes = np.zeros((0, 4), np.int64)
    pieces = [piece for tile in tiles for piece in pieces_of(tile, size)]
    for piece in sorted(pieces, key=lambda piece: -piece.score):
        for place in np.flatnonzero(meet(boxes, piece.box)):
            if is_same(whole[place], piece, size):
                whole[place] = union(whole[place], piece, size)
                boxes[place] = whole[place].box
                break
        else:
            whole.append(piece)
            boxes = np.concatenate([boxes, [piece.box]])
    return Found(
        labels=[each.label for each in whole],
        scores=[each.score for each in whole],
        masks=[each.mask for each in whole],
    )


def pieces_of(tile: Tile, size: Size) -> list[Instance]:
    """Bring what a tile shows to its place in the image."""
    found = zip(tile.found.labels, tile.found.scores, tile.found.masks, strict=True)
    pieces = []
    for label, score, mask in found:
        placed = masks.placed(mask, tile.size, tile.corner, size)
        box = masks.bounding_box(placed, *size)
        pieces.append(Instance(label=label, score=score, mask=placed, box=box, tiles=[tile.box]))
    return pieces


def meet(boxes: NDArray[np.int64], box: masks.Box) -> NDArray[np.bool_]:
    """Tell which boxes (N, 4) have a pixel in common with one."""
    x0, y0, x1, y1 = box
    return np.asarray(
        (boxes[:, 0] < x1) & (boxes[:, 2] > x0) & (boxes[:, 1] < y1) & (boxes[:, 3] > y0)
    )


def is_same(one: Instance, piece: Instance, size: Size) -> bool:
    """Tell whether a piece agrees with an object on what both of their tiles show."""
    if one.label != piece.label or piece.tiles[0] in one.tiles:
        return False
    (own,) = piece.tiles
    shown = [part for tile in one.tiles if (part := intersection(tile, own)) is not None]
    if not shown:
        return False
    strip = masks.union([rectangle(part, size) for part in shown], *size)
    seen, other = (masks.intersection(each.mask, strip, *size) for each in (one, piece))
    return masks.iou(seen, other, *size) > SAME


def union(one: Instance, piece: Instance, size: Size) -> Instance:
    mask = masks.union([one.mask, piece.mask], *size)
    return Instance(
        label=one.label,
        score=max(one.score, piece.score),
        mask=mask,
        box=masks.bounding_box(mask, *size),
        tiles=[*one.tiles, *piece.tiles],
    )


def intersection(one: masks.Box, other: masks.Box) -> masks.Box | None:
    """Return the part of two boxes (x0, y0, x1, y1) that both have; None if there is none."""
    x0, y0 = max(one[0], other[0]), max(one[1], other[1])
    x1, y1 = min(one[2], other[2]), min(one[3], other[3])
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def rectangle(box: masks.Box, size: Size) -> bytes:
    x0, y0, x1, y1 = box
    return masks.encode_in_box(np.ones((y1 - y0, x1 - x0), np.bool_), box, *size)
