"""Confusion between classes against a slow and obvious count, and by hand."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from ray_wssis.data.records import Object, Record
from ray_wssis.masks import decode, encode
from ray_wssis.metrics.coco_ap import Prediction
from ray_wssis.metrics.confusion import FALLBACK, Confusion, Pair

HEIGHT, WIDTH = 40, 60
LEFT, RIGHT, WHEEL = 0, 1, 2


def square(x: int, y: int, side: int = 10) -> bytes:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y : y + side, x : x + side] = True
    return encode(mask)


def record(*objects: tuple[int, bytes], crowds: tuple[bytes, ...] = ()) -> Record:
    rows = [*((label, mask, False) for label, mask in objects), *((0, c, True) for c in crowds)]
    return Record(
        image_id=1,
        file="1.png",
        width=WIDTH,
        height=HEIGHT,
        objects=tuple(
            Object(annotation_id=i, label=label, mask=mask, crowd=crowd)
            for i, (label, mask, crowd) in enumerate(rows)
        ),
    )


def found(*instances: tuple[int, float, bytes]) -> Prediction:
    labels, scores, masks = zip(*instances, strict=True) if instances else ((), (), ())
    return Prediction(image_id=1, labels=list(labels), scores=list(scores), masks=list(masks))


def counted(truth: Record, prediction: Prediction) -> Confusion:
    confusion = Confusion()
    confusion.add(truth, prediction)
    return confusion


def slowly(truth: Record, prediction: Prediction, threshold: float) -> dict[Pair, int]:
    """Count pixel by pixel, instance by instance, only those that are drawn at the threshold."""
    objects = [(o.label, decode(o.mask or b"", HEIGHT, WIDTH)) for o in truth.objects]
    crowd = [o.crowd for o in truth.objects]
    instances = zip(prediction.scores, prediction.labels, prediction.masks, strict=True)
    pairs: Counter[Pair] = Counter()
    taken: set[int] = set()
    for score, label, counts in sorted(instances, key=lambda instance: -instance[0]):
        if score < threshold:
            continue
        mask = decode(counts, HEIGHT, WIDTH)
        best, best_iou = None, 0.5
        for i, (_, other) in enumerate(objects):
            iou = (mask & other).sum() / (mask | other).sum()
            if not crowd[i] and i not in taken and (iou > best_iou or iou == best_iou == 0.5):
                best, best_iou = i, iou
        if best is not None:
            taken.add(best)
            pairs[objects[best][0], label] += 1
        elif not any(
            crowd[i] and (mask & other).sum() >= 0.5 * mask.sum()
            for i, (_, other) in enumerate(objects)
        ):
            pairs[None, label] += 1
    for i, (label, _) in enumerate(objects):
        if not crowd[i] and i not in taken:
            pairs[label, None] += 1
    return dict(pairs)


def test_a_class_taken_for_another_is_counted_as_such() -> None:
    truth = record((LEFT, square(0, 0)), (RIGHT, square(20, 0)), (WHEEL, square(40, 0)))
    prediction = found(
        (LEFT, 0.9, square(1, 0)),
        (LEFT, 0.8, square(21, 0)),  # the right one, taken for a left one
        (RIGHT, 0.7, square(20, 0)),  # fits better, but the object is taken
        (WHEEL, 0.6, square(46, 0)),  # overlaps too little
    )
    assert counted(truth, prediction).pairs(0.0) == {
        (LEFT, LEFT): 1,
        (RIGHT, LEFT): 1,
        (None, RIGHT): 1,
        (None, WHEEL): 1,
        (WHEEL, None): 1,
    }


def test_an_instance_of_higher_score_takes_the_object_it_fits_best() -> None:
    truth = record((LEFT, square(0, 0)), (RIGHT, square(0, 2)))
    prediction = found((LEFT, 0.5, square(0, 0)), (RIGHT, 0.6, square(0, 1)))
    assert counted(truth, prediction).pairs(0.0) in (  # 0.6 fits both alike
        {(LEFT, RIGHT): 1, (RIGHT, LEFT): 1},
        {(RIGHT, RIGHT): 1, (LEFT, LEFT): 1},
    )


def test_what_lies_in_an_ignore_region_counts_as_nothing() -> None:
    truth = record((LEFT, square(0, 0)), crowds=(square(20, 0, 20),))
    prediction = found((LEFT, 0.9, square(22, 2)), (RIGHT, 0.8, square(15, 0)))  # half of it in
    assert counted(truth, prediction).pairs(0.0) == {(LEFT, None): 1}
    outside = found((RIGHT, 0.8, square(13, 0)))
    assert counted(truth, outside).pairs(0.0) == {(LEFT, None): 1, (None, RIGHT): 1}


def test_what_nobody_looked_at_counts_as_nothing() -> None:
    left_half = np.zeros((HEIGHT, WIDTH), bool)
    left_half[:, :30] = True
    truth = record((LEFT, square(0, 0)), (LEFT, square(45, 0)))
    seen = replace(truth, annotated=encode(left_half))
    prediction = found((RIGHT, 0.9, square(45, 0)), (LEFT, 0.8, square(0, 0)))
    assert counted(seen, prediction).pairs(0.0) == {(LEFT, LEFT): 1}


def test_the_best_threshold_leaves_out_what_is_mostly_wrong() -> None:
    truth = record((LEFT, square(0, 0)), (RIGHT, square(20, 0)))
    confusion = counted(
        truth,
        found(
            (LEFT, 0.9, square(0, 0)),
            (RIGHT, 0.755, square(20, 0)),
            (WHEEL, 0.4, square(40, 0)),
            (WHEEL, 0.3, square(40, 20)),
        ),
    )
    assert confusion.best_threshold() == 0.75
    assert confusion.pairs(0.75) == {(LEFT, LEFT): 1, (RIGHT, RIGHT): 1}
    assert confusion.pairs(0.8) == {(LEFT, LEFT): 1, (RIGHT, None): 1}


def test_without_anything_right_there_is_still_a_threshold() -> None:
    assert Confusion().best_threshold() == FALLBACK
    truth = record((LEFT, square(0, 0)))
    assert counted(truth, found()).pairs(FALLBACK) == {(LEFT, None): 1}
    assert counted(truth, found((RIGHT, 1.0, square(0, 0)))).best_threshold() == FALLBACK


def random_image(rng: np.random.Generator) -> tuple[Record, Prediction]:
    def places(number: int) -> list[bytes]:
        return [
            square(int(rng.integers(0, 40)), int(rng.integers(0, 20)), int(rng.integers(6, 18)))
            for _ in range(number)
        ]

    truth = record(*((int(rng.integers(3)), mask) for mask in places(5)), crowds=tuple(places(1)))
    scores = rng.permutation(100)[:12] / 100 + 0.005
    near = [obj.mask or b"" for obj in truth.objects[:4]]
    masks = [*near, *near, *places(4)]
    return truth, found(
        *((int(rng.integers(3)), float(s), m) for s, m in zip(scores, masks, strict=True))
    )


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.72])
def test_counts_are_those_of_the_obvious_way_and_add_up(threshold: float) -> None:
    rng = np.random.default_rng(0)
    images = [random_image(rng) for _ in range(40)]
    expected: Counter[Pair] = Counter()
    parts = [Confusion(), Confusion()]
    for index, (truth, prediction) in enumerate(images):
        expected.update(slowly(truth, prediction, threshold))
        parts[index % 2].add(truth, prediction)
    together = parts[0] + parts[1]
    assert together.pairs(threshold) == expected
    assert together.objects.total() == 5 * 40
