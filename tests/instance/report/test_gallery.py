from dataclasses import replace

import numpy as np
import pytest
from upath import UPath

from ray_wssis.data.records import Object, Record
from ray_wssis.instance.gallery import Agreement, best_threshold, compare
from ray_wssis.masks import encode
from ray_wssis.metrics.confusion import FALLBACK


def bar(x0: int, x1: int) -> bytes:
    mask = np.zeros((10, 20), dtype=bool)
    mask[:, x0:x1] = True
    return encode(mask)


def record(masks: list[bytes], labels: list[int], crowds: list[bool]) -> Record:
    return Record(
        image_id=1,
        file="a.png",
        width=20,
        height=10,
        objects=tuple(
            Object(annotation_id=i, label=label, mask=mask, crowd=crowd)
            for i, (label, mask, crowd) in enumerate(zip(labels, masks, crowds, strict=True))
        ),
    )


def agreement(scores: list[float], ious: list[float], num_true: int) -> Agreement:
    return Agreement(
        file=UPath("/nowhere"),
        image_id=1,
        num_true=num_true,
        scores=np.array(scores),
        ious=np.array(ious),
    )


def test_an_object_is_found_once_by_its_own_class() -> None:
    truth = record([bar(0, 10), bar(10, 20)], [0, 1], [False, False])
    row = {
        "label": [0, 0, 0],
        "score": [0.5, 0.9, 0.4],
        "mask": [bar(0, 10), bar(0, 8), bar(10, 20)],
    }
    found = compare(UPath("/nowhere"), row, truth)
    assert found.scores.tolist() == [0.9, 0.5, 0.4]
    assert found.ious.tolist() == pytest.approx([0.8, 0, 0])  # taken, again, other class


def test_crowds_are_not_looked_for() -> None:
    truth = record([bar(0, 10), bar(10, 20)], [0, 0], [False, True])
    found = compare(UPath("/nowhere"), {"label": None, "score": None, "mask": None}, truth)
    assert found.num_true == 1
    assert found.quality(0.1) == 0


def test_objects_that_nobody_looked_at_are_not_looked_for() -> None:
    truth = record([bar(0, 10), bar(10, 20)], [0, 0], [False, False])
    nothing = {"label": None, "score": None, "mask": None}
    found = compare(UPath("/nowhere"), nothing, replace(truth, annotated=bar(0, 12)))
    assert found.num_true == 1


def test_the_threshold_leaves_out_what_is_mostly_wrong() -> None:
    some = [agreement([0.9, 0.8, 0.3], [0.7, 0.9, 0], 2), agreement([0.75, 0.2], [0.8, 0], 1)]
    assert best_threshold(some) == pytest.approx(0.75)
    assert some[0].num_found(0.75) == 2
    assert some[0].quality(0.75) == pytest.approx(0.8)


def test_without_any_hit_there_is_still_a_threshold() -> None:
    assert best_threshold([agreement([0.9], [0.0], 1)]) == FALLBACK
    assert best_threshold([]) == FALLBACK
