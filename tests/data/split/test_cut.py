"""Tests of ray_wssis.data.split.cut."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ray_wssis import masks
from ray_wssis.data.points.draw import with_points
from ray_wssis.data.records import Category, Object, Record, Records
from ray_wssis.data.split.cut import (
    as_weak,
    classes_without_masks,
    count_classes,
    draw_audit,
    split_records,
)

COUNTS = masks.encode(np.ones((2, 2), bool))
CATEGORIES = (Category(id=1, name="cat"), Category(id=2, name="dog"))


def record(image_id: int, label: int = 0, mask: bytes | None = COUNTS) -> Record:
    """An image with one object and one crowd."""
    return Record(
        image_id=image_id,
        file=f"{image_id}.png",
        width=2,
        height=2,
        objects=(
            Object(
                annotation_id=2 * image_id,
                label=label,
                mask=mask,
                point=None if mask else (0.5, 0.5),
            ),
            Object(annotation_id=2 * image_id + 1, label=label, mask=COUNTS, crowd=True),
        ),
    )


def data_set(num_images: int) -> Records:
    return Records.from_rows((record(i) for i in range(num_images)), CATEGORIES)


def ids(records: Records) -> list[int]:
    return [row.image_id for row in records]


@given(st.integers(1, 40), st.floats(0.5, 99), st.integers(0, 5))
def test_every_image_is_in_one_part(num_images: int, percent: float, seed: int) -> None:
    strong, weak, truth = split_records(data_set(num_images), percent, seed, "centroid")
    assert sorted(ids(strong) + ids(weak)) == list(range(num_images))
    assert len(strong) == max(1, int(num_images * percent / 100))
    assert truth is not None
    assert ids(truth) == ids(weak)


@given(st.floats(0.5, 99), st.floats(0.5, 99), st.integers(0, 5))
def test_a_smaller_split_is_part_of_a_larger_one(one: float, other: float, seed: int) -> None:
    small, large = sorted([one, other])
    inner = split_records(data_set(40), small, seed, "centroid").strong
    assert set(ids(inner)) <= set(ids(split_records(data_set(40), large, seed, "centroid").strong))


def test_seven_percent_of_a_hundred_are_seven() -> None:
    assert len(split_records(data_set(100), 7, 0, "centroid").strong) == 7


def test_the_order_of_the_file_does_not_matter() -> None:
    there = split_records(data_set(30), 20, 3, "random")
    back = split_records(data_set(30).select(range(29, -1, -1)), 20, 3, "random")
    assert list(there.strong) == list(back.strong)[::-1]
    assert list(there.weak) == list(back.weak)[::-1]


def test_another_seed_is_another_split() -> None:
    draws = {tuple(ids(split_records(data_set(30), 20, s, "centroid").strong)) for s in range(5)}
    assert len(draws) == 5


def test_strong_knows_masks_and_points_weak_only_points() -> None:
    strong, weak, truth = split_records(data_set(4), 50, 0, "centroid")
    for row in strong:
        assert [obj.mask for obj in row.objects] == [COUNTS, COUNTS]
        assert [obj.point for obj in row.objects] == [(1.0, 1.0), None]
        assert [obj.crowd for obj in row.objects] == [False, True]
    for row in weak:
        (obj,) = row.objects
        assert obj.mask is None
        assert obj.point == (1.0, 1.0)
        assert not obj.crowd
    assert truth is not None
    for hidden, row in zip(truth, weak, strict=True):
        (known,) = row.objects
        first, crowd = hidden.objects
        assert (first.mask, first.crowd, crowd.mask, crowd.crowd) == (COUNTS, False, COUNTS, True)
        assert (first.point, crowd.point) == (known.point, None)
        assert first.annotation_id == known.annotation_id


def test_an_image_that_lacks_a_mask_stays_weak_and_then_there_is_no_truth() -> None:
    rows = [record(i, mask=None if i < 5 else COUNTS) for i in range(8)]
    strong, weak, truth = split_records(Records.from_rows(rows, CATEGORIES), 37.5, 0, "centroid")
    assert ids(strong) == [5, 6, 7]
    assert ids(weak) == [0, 1, 2, 3, 4]
    assert truth is None


def test_too_few_masks_are_explained() -> None:
    rows = [record(i, mask=None) for i in range(8)]
    with pytest.raises(ValueError, match="50 % of 8 images are 4, but only 0"):
        split_records(Records.from_rows(rows, CATEGORIES), 50, 0, "centroid")


@pytest.mark.parametrize("percent", [0, -1, 100, float("nan")])
def test_percent_is_between_0_and_100(percent: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 100"):
        split_records(data_set(3), percent, 0, "centroid")


def test_a_published_weak_file_forgets_its_masks() -> None:
    weak = as_weak(data_set(3), "centroid", 0)
    assert [[obj.mask for obj in row.objects] for row in weak] == [[None]] * 3
    assert [[obj.point for obj in row.objects] for row in weak] == [[(1.0, 1.0)]] * 3


def test_classes_are_counted_without_crowds_and_missing_ones_named() -> None:
    cats = Records.from_rows([record(1), record(2)], CATEGORIES)
    both = Records.from_rows([record(3), record(4, label=1)], CATEGORIES)
    assert count_classes(cats) == {"cat": 2, "dog": 0}
    assert classes_without_masks(cats, both) == ["dog"]
    assert classes_without_masks(both, cats) == []


def test_an_incomplete_image_stays_weak_and_then_there_is_no_truth() -> None:
    strong, weak, truth = split_records(data_set(8), 37.5, 0, "centroid", {0, 1, 2, 3, 4})
    assert ids(strong) == [5, 6, 7]
    assert ids(weak) == [0, 1, 2, 3, 4]
    assert truth is None
    with pytest.raises(ValueError, match="50 % of 8 images are 4, but only 3"):
        split_records(data_set(8), 50, 0, "centroid", {0, 1, 2, 3, 4})


def taught_and_audit(rows: list[Record], share: float, seed: int = 0) -> tuple[list[int], ...]:
    pointed = (with_points(row, "centroid", seed) for row in rows)
    parts = draw_audit(Records.from_rows(pointed, CATEGORIES), share, seed)
    assert {part.categories for part in parts} == {CATEGORIES}
    return tuple(ids(part) for part in parts)


@given(st.integers(0, 40), st.floats(0, 0.5), st.integers(0, 5))
def test_every_strong_image_is_taught_or_in_the_audit(
    num_images: int, share: float, seed: int
) -> None:
    taught, audit = taught_and_audit([record(i) for i in range(num_images)], share, seed)
    assert sorted(taught + audit) == list(range(num_images))
    assert (taught, audit) == (sorted(taught), sorted(audit))
    if share and num_images > 2:
        assert len(audit) == max(1, int(num_images * share + 1e-9))
    else:
        assert not audit


def test_the_audit_is_another_draw_than_the_strong_images() -> None:
    draws = {tuple(taught_and_audit([record(i) for i in range(30)], 0.2, s)[1]) for s in range(5)}
    assert len(draws) == 5
    strong = ids(split_records(data_set(30), 20, 0, "centroid").strong)
    assert strong != taught_and_audit([record(i) for i in range(30)], 0.2)[1]


def test_the_order_does_not_decide_who_is_audited() -> None:
    rows = [record(i) for i in range(30)]
    _, audit = taught_and_audit(rows, 0.2)
    assert taught_and_audit(rows[::-1], 0.2)[1] == audit[::-1]


def crowded(image_id: int, num_objects: int) -> Record:
    """An image with as many objects, and a crowd, which does not count."""
    first, crowd = record(image_id).objects
    objects = (replace(first, annotation_id=100 * image_id + k) for k in range(num_objects))
    return replace(record(image_id), objects=(*objects, crowd))


@pytest.mark.parametrize("seed", range(5))
def test_the_audit_has_as_many_objects_as_usual(seed: int) -> None:
    rows = [crowded(i, 1 + i // 2) for i in range(20)]  # 1 1 2 2 ... 10 10: 5.5 on average
    _, audit = taught_and_audit(rows, 0.25, seed)
    assert len(audit) == 5
    assert 4.8 <= sum(1 + i // 2 for i in audit) / 5 <= 6.2


def test_two_images_stay_to_teach_from() -> None:
    assert taught_and_audit([record(i) for i in range(2)], 0.5) == ([0, 1], [])
    taught, audit = taught_and_audit([record(i) for i in range(3)], 0.01)
    assert (len(taught), len(audit)) == (2, 1)


@pytest.mark.parametrize("seed", range(5))
def test_the_last_taught_object_of_a_class_is_not_audited(seed: int) -> None:
    rows = [record(i, label=int(i in (0, 1, 2))) for i in range(6)]
    taught, audit = taught_and_audit(rows, 0.5, seed)
    assert len(audit) == 3
    assert {int(i in (0, 1, 2)) for i in taught} == {0, 1}
    both = Record(
        image_id=9,
        file="9.png",
        width=2,
        height=2,
        objects=(
            Object(annotation_id=90, label=0, mask=COUNTS),
            Object(annotation_id=91, label=1, mask=COUNTS),
        ),
    )
    assert 9 not in taught_and_audit([record(0), record(1), record(2), both], 0.5, seed)[1]


def test_a_crowd_does_not_teach_its_class() -> None:
    dog = Record(
        image_id=0,
        file="0.png",
        width=2,
        height=2,
        objects=(Object(annotation_id=0, label=1, mask=COUNTS),),
    )
    others = [  # their crowds are dogs
        replace(row, objects=(row.objects[0], replace(row.objects[1], label=1)))
        for row in (record(1), record(2))
    ]
    for seed in range(5):
        assert taught_and_audit([dog, *others], 0.5, seed)[0][0] == 0


def test_an_image_that_cannot_be_measured_is_not_audited() -> None:
    no_mask, no_object = record(0, mask=None), record(1)
    no_object = replace(no_object, objects=no_object.objects[1:])
    for seed in range(5):
        taught, audit = taught_and_audit([no_mask, no_object, record(2), record(3)], 0.5, seed)
        assert set(taught) >= {0, 1} and set(audit) == {2, 3} - set(taught) != set()
