"""Second picks: of two objects with the same mask, the weaker one picks again.

Nearby points often fall into one cell, or their cells draw the same object.  The paper leaves it
at that, and so two objects become one with two labels.  Here the candidates of all objects stand
in one queue, best score first, and each object takes the first of its own that is not taken yet.

Masks are compared as bits, 64 pixels a word, and only where their areas allow an overlap so
large.  At first only the best candidate of each point is drawn.  When another is wanted, it is
drawn and the queue is gone through again.  So most images are settled in one pass, and the result
is the same as if everything had been drawn beforehand.

Legend: N candidates, D of them drawn, P objects.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32, Int64, UInt64
from numpy.typing import NDArray

from ray_wssis.models.solov2_inference import count_bits

NOTHING = -1

Places = NDArray[np.int64]
Words = NDArray[np.uint64]


def choose_apart(
    score: Float32[NDArray[np.float32], " N"],
    owner: Int64[Places, " N"],
    drawn: Int64[Places, " D"],
    words: UInt64[Words, "D words"],
    draw: Callable[[Places], Words],
    max_iou: float,
) -> Int64[Places, " P"]:
    """Choose the candidate that each object keeps, -1 if none is left to it.

    No two kept masks have a higher IoU than `max_iou`.  `score` of each candidate is 0 if it has no
    mask, `owner` the object that it belongs to.  `words` are the masks of the candidates `drawn` as
    bits; `draw` gives the masks of others.
    """
    queue = np.lexsort((owner, -score))  # of equals, those of the first object
    queue = queue[score[queue] > 0]
    row = np.full(len(score), NOTHING)  # of `words`, by candidate
    row[drawn] = np.arange(len(drawn))
    while True:
        chosen, missing = first_come(queue, owner, row, words, max_iou)
        if not len(missing):
            return chosen
        row[missing] = len(words) + np.arange(len(missing))
        words = np.concatenate([words, draw(missing)])


def first_come(
    queue: Int64[Places, " n"],
    owner: Int64[Places, " N"],
    row: Int64[Places, " N"],
    words: UInt64[Words, "D words"],
    max_iou: float,
) -> tuple[Int64[Places, " P"], Int64[Places, " m"]]:
    """Return what each object keeps, and the candidates that must be drawn to be sure of it.

    A `row` of -1 means that the mask is not known: the candidate is kept and hinders no other.
    """
    area = count_bits(words)
    chosen = np.full(int(owner.max()) + 1, NOTHING)
    kept, num_kept = np.empty_like(chosen), 0  # rows of `words`
    missing = []
    for candidate in queue.tolist():
        mine = int(row[candidate])
        if chosen[owner[candidate]] != NOTHING or (
            mine != NOTHING and is_taken(mine, kept[:num_kept], words, area, max_iou)
        ):
            continue
        chosen[owner[candidate]] = candidate
        if mine == NOTHING:
            missing.append(candidate)
        else:
            kept[num_kept], num_kept = mine, num_kept + 1
    return chosen, np.array(missing, dtype=np.int64)


def is_taken(
    mine: int,
    kept: Int64[Places, " k"],
    words: UInt64[Words, "D words"],
    area: Int64[Places, " D"],
    max_iou: float,
) -> bool:
    """Return whether a `kept` row of `words` overlaps row `mine` by more than `max_iou`."""
    smaller, larger = np.minimum(area[kept], area[mine]), np.maximum(area[kept], area[mine])
    near = kept[smaller > max_iou * larger]  # no other can overlap so much
    if not len(near):
        return False
    filled = np.flatnonzero(words[mine])
    span = slice(filled[0], filled[-1] + 1)
    overlap = count_bits(words[near, span] & words[mine, span])
    union = area[near] + area[mine] - overlap
    return bool((overlap > max_iou * union).any())
