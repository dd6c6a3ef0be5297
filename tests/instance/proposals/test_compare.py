"""What is learnt from proposals, beside a truth of three squares, by hand."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ray_wssis.data.records import Category, Object, Record, Records
from ray_wssis.instance.area_prior import AreaPrior
from ray_wssis.instance.proposals.choice import Choice
from ray_wssis.instance.proposals.compare import INVENTED, claiming, judged, outcome, taken
from ray_wssis.instance.proposals.merging import Proposed
from ray_wssis.instance.proposals.stages import is_worth_it
from ray_wssis.instance.quality import QualityModel
from ray_wssis.masks import encode
from ray_wssis.streaming.table import RowsById

LEFT, RIGHT = 0, 1
SIZE = 40


def square(x: int, y: int, side: int = 10) -> bytes:
    mask = np.zeros((SIZE, SIZE), bool)
    mask[y : y + side, x : x + side] = True
    return encode(mask)


TRUTH = Record(
    image_id=7,
    file="7.png",
    width=SIZE,
    height=SIZE,
    objects=tuple(
        Object(annotation_id=number, label=label, mask=square(x, 0), crowd=crowd)
        for number, label, x, crowd in (
            (1, LEFT, 0, False),
            (2, RIGHT, 12, False),
            (3, LEFT, 24, False),
        )
    ),
)


def row(*proposals: tuple[int, float, bytes | None]) -> dict[str, Any]:
    labels, scores, masks = zip(*proposals, strict=True) if proposals else ((), (), ())
    return {
        "image_id": 7,
        "annotation_id": list(range(1, len(labels) + 1)),
        "label": list(labels),
        "class_score": list(scores),
        "refined": list(masks),
        "rough": list(masks),
        "area": [0 if mask is None else 100 for mask in masks],
        "error": None,
    }


def choice(*class_scores: float | None, least: float = 0.1) -> Choice:
    prior = AreaPrior(mean=4.6, spread=0.5, means={}, spreads={})
    model = QualityModel(signals=("area",), prior=prior, regression=None)
    return Choice(
        class_scores=class_scores, expected_ious=(0.5, 0.5), least_score=least, model=model
    )


FOUND = row(
    (LEFT, 0.9, square(0, 0)),  # right
    (LEFT, 0.8, square(1, 0)),  # the same object again
    (LEFT, 0.7, square(12, 0)),  # another class
    (RIGHT, 0.3, square(12, 1)),  # right, and not sure
    (RIGHT, 0.05, square(0, 28)),  # nothing
    (LEFT, 0.9, None),
)


def test_each_takes_an_object_of_its_class_once() -> None:
    claims = taken(FOUND, TRUTH)
    assert {i: number for i, (number, _) in claims.items()} == {
        0: 1, 1: INVENTED, 2: INVENTED, 3: 2, 4: INVENTED,
    }  # fmt: skip
    assert claims[0][1] == 1 and claims[3][1] == pytest.approx(90 / 110)
    assert claiming(FOUND, TRUTH)["annotation_id"] == [1, INVENTED, INVENTED, 2, INVENTED, INVENTED]
    labels, scores, right = judged([FOUND], {7: TRUTH}).T
    assert sorted(zip(labels, scores, right, strict=True)) == [
        (LEFT, 0.7, 0), (LEFT, 0.8, 0), (LEFT, 0.9, 1), (RIGHT, 0.05, 0), (RIGHT, 0.3, 1),
    ]  # fmt: skip


def test_what_lies_in_a_crowd_counts_as_nothing() -> None:
    crowd = replace(TRUTH, objects=(replace(TRUTH.objects[0], crowd=True),))
    assert taken(row((LEFT, 0.9, square(0, 0)), (RIGHT, 0.9, square(0, 0))), crowd) == {}


def test_class_and_mask_are_believed_in_by_thresholds_of_their_class() -> None:
    learnt, ignored = choice(0.75, 0.2).decide([FOUND])
    assert learnt.tolist() == [True, True, False, True, False, False]
    assert ignored.tolist() == [False, False, True, False, False, False]
    learnt, _ = choice(None, 0.0).decide([FOUND])
    assert learnt.tolist() == [False] * 3 + [True, True, False]
    _, ignored = choice(None, 1.0, least=0).decide([FOUND])
    assert ignored.tolist() == [True] * 5 + [False]


def test_a_choice_survives_its_file() -> None:
    for made in (choice(0.75, 0.2), choice(None, 0.5)):
        assert Choice.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_what_would_be_learnt_is_counted() -> None:
    found = outcome([FOUND], {7: TRUTH}, choice(0.75, 0.5))
    assert found == {
        "num_images": 1,
        "num_objects": 3,
        "num_right": 1,  # the first
        "num_wrong": 1,  # the second
        "num_ignored": 1,  # object 2, by two proposals
        "num_missed": 1,  # object 3
        "mIoU": 100.0,
    }


def test_nothing_proposed_misses_everything() -> None:
    found = outcome([row()], {7: TRUTH}, choice(0.5, 0.5))
    assert (found["num_right"], found["num_missed"], found["mIoU"]) == (0, 3, None)


@pytest.mark.parametrize(
    ("right", "wrong", "missed", "is_used"), [(5, 2, 2, True), (5, 2, 3, False), (0, 0, 0, False)]
)
def test_what_teaches_more_wrong_than_right_is_not_used(
    right: int, wrong: int, missed: int, *, is_used: bool
) -> None:
    audit = {"num_right": right, "num_wrong": wrong, "num_missed": missed}
    assert is_worth_it(audit) == is_used


def test_without_an_audit_the_configuration_decides() -> None:
    assert is_worth_it(None)


class OneRow(RowsById):
    def __init__(self, given: dict[str, Any] | None) -> None:
        self.given = given

    def get(self, image_id: int) -> dict[str, Any] | None:
        return self.given


def merged(given: dict[str, Any] | None, chosen: Choice) -> list[Any]:
    bare = Records.from_rows([replace(TRUTH, objects=())], [Category(id=1, name="left")])
    proposed = Proposed(records=bare, rows=OneRow(given), choice=chosen, lineage={"teacher": "t"})
    return list(proposed.merged(first_number=50))


def test_what_is_sure_is_an_object_and_what_may_be_one_is_ignored() -> None:
    (image,) = merged(FOUND, choice(0.75, 0.5))
    assert [(obj.annotation_id, obj.label, obj.crowd) for obj in image.record.objects] == [
        (50, LEFT, False),
        (51, LEFT, False),
        (52, LEFT, True),
        (53, RIGHT, True),
    ]
    assert image.extra[0] == {"pseudo": {"teacher": "t", "proposed": 0.9}}
    assert all(obj.point is None for obj in image.record.objects)


def test_an_image_on_which_nothing_is_sure_is_left_out() -> None:
    assert merged(FOUND, choice(None, None)) == []
    assert merged(row(), choice(0.0, 0.0)) == []
    assert merged(None, choice(0.0, 0.0)) == []
    assert merged({**FOUND, "error": "truncated"}, choice(0.0, 0.0)) == []
