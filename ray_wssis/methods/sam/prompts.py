"""Prompts for the objects of an image, and the choice among the answers.

One click is known to give a part of the object, or several objects at once.  Other objects were
clicked too: the nearest ones are negative clicks of the prompt (as in PointSAM,
arXiv:2409.13401), and a candidate on which a foreign point lies is worth less.

Legend: P objects of the image, Q clicks for all of them, K candidates for a prompt.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int8
from numpy.typing import NDArray

from ray_wssis.data.records import Object, Point

CHUNK = 64  # objects that are decoded at a time: bounds the memory
WRONG = 0.25  # share of its value that is left to a candidate for each point on the wrong side
APART = 1.0  # pixels; nearer points are of objects that one click cannot tell apart


class Prompt(NamedTuple):
    """The clicks for one object; the first is its point."""

    points: tuple[Point, ...]  # original pixels
    positive: tuple[bool, ...]


class Chosen(NamedTuple):
    place: int  # among the candidates
    margin: float  # value less that of the next one


def prompts_of(objects: tuple[Object, ...], negatives: int) -> list[Prompt]:
    """Compose a prompt for each object, all of which have a point."""
    points = [obj.point for obj in objects if obj.point is not None]
    assert len(points) == len(objects)
    places = np.array(points)
    return [prompt_of(obj, places, negatives) for obj in objects]


def prompt_of(obj: Object, places: Float64[NDArray[np.float64], "P 2"], negatives: int) -> Prompt:
    """Add the clicks of an object, and the nearest of all points that are not its own."""
    assert obj.point is not None
    x, y = places.T
    away = np.hypot(x - obj.point[0], y - obj.point[1])
    nearest = np.lexsort((y, x, away))
    foreign = nearest[away[nearest] >= APART][:negatives]
    clicks = [*clicks_of(obj), *((tuple(places[i].tolist()), False) for i in foreign)]
    found, positive = zip(*clicks, strict=True)
    return Prompt(points=found, positive=positive)


def clicks_of(obj: Object) -> list[tuple[Point, bool]]:
    """Return the point of an object and its further clicks: (x, y), and whether it is on it."""
    assert obj.point is not None
    return [(obj.point, True), *(((click.x, click.y), click.positive) for click in obj.clicks)]


def chunks(prompts: list[Prompt], size: int = CHUNK) -> Iterator[list[int]]:
    """Yield the places of prompts that are decoded together.

    All prompts of a chunk have equally many points, so none is padded: a padded point is not an
    absent one, as the decoder attends to it.
    """
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for place, prompt in enumerate(prompts):
        groups[len(prompt.points)].append(place)
    for members in groups.values():
        for start in range(0, len(members), size):
            yield members[start : start + size]


def expectations(objects: tuple[Object, ...]) -> tuple[list[Point], Int8[NDArray[np.int8], "P Q"]]:
    """Return everything that somebody clicked in an image, and what it says about each object: the
    click is on it (1), off it (-1), or tells nothing (0)."""
    clicked = [
        (owner, point, positive)
        for owner, obj in enumerate(objects)
        for point, positive in clicks_of(obj)
    ]
    owners = np.array([owner for owner, *_ in clicked])
    signs = np.array([1 if positive else -1 for *_, positive in clicked], np.int8)
    points = [point for _, point, _ in clicked]
    places, own = np.array(points), np.array([obj.point for obj in objects], np.float64)
    is_own = owners == np.arange(len(objects))[:, None]
    apart = np.hypot(*(places - own[:, None]).transpose(2, 0, 1)) >= APART
    on_others = -((signs == 1) & apart).astype(np.int8)
    return points, np.where(is_own, signs, on_others)


def choose(
    predicted_iou: Float32[NDArray[np.float32], " K"],
    covers: Bool[NDArray[np.bool_], "K Q"],
    expected: Int8[NDArray[np.int8], " Q"],
    empty: Bool[NDArray[np.bool_], " K"],
) -> Chosen | None:
    """Choose among the candidates for an object; None if all are empty.

    `covers` says on which clicks a candidate lies, `expected` on which it should.
    """
    wrong = np.where(covers, expected == -1, expected == 1).sum(axis=1)
    value = predicted_iou.clip(0, 1).astype(np.float64) * WRONG**wrong
    value[empty] = -1.0
    best, *others = np.argsort(-value, kind="stable").tolist()
    if value[best] < 0:
        return None
    return Chosen(best, float(value[best] - max(value[others[0]], 0.0)) if others else 0.0)
