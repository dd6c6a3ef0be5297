"""Tests of ray_wssis.data.columns, against loops over records."""

from collections import Counter
from random import Random

import pytest

from ray_wssis.data import columns, records
from ray_wssis.data.records import Category, Object, Record, Records

CATEGORIES = [Category(id=i, name=f"{i}") for i in range(3)]


def drawn(number: int, draw: Random) -> Object:
    return Object(
        annotation_id=number,
        label=draw.randrange(3),
        mask=draw.choice([None, b"06"]),
        point=draw.choice([None, (0.5, 1.5)]),
        crowd=draw.random() < 0.3,
    )


@pytest.fixture(params=[2, 3, 1000])
def some(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Records:
    """Records in tables of a few images each, or none; also a part of such a table."""
    monkeypatch.setattr(records, "FEW", request.param)
    draw = Random(request.param)
    images = [
        Record(
            image_id=100 + i,
            file=f"{i}.png",
            width=3,
            height=2,
            objects=tuple(drawn(10 * i + k, draw) for k in range(draw.randrange(4))),
            class_map=draw.choice([None, None, None, b"x"]),
        )
        for i in range(40)
    ]
    return Records.from_rows(images, CATEGORIES)


def test_columns_tell_what_records_tell(some: Records) -> None:
    for part in (some, some.select(range(5, 31)), some.select([]), Records(some.table[3:20], [])):
        part = Records(part.table, CATEGORIES)
        every = list(part)
        objects = [obj for record in every for obj in record.objects]
        assert columns.image_ids(part).tolist() == [x.image_id for x in every]
        assert columns.annotation_ids(part).tolist() == [x.annotation_id for x in objects]
        assert columns.num_objects(part).tolist() == [len(x.objects) for x in every]
        labels = Counter(obj.label for obj in objects if not obj.crowd)
        assert columns.count_labels(part).tolist() == [labels[label] for label in range(3)]
        assert columns.lack_masks(part).tolist() == [
            any(obj.mask is None for obj in record.objects) for record in every
        ]
        assert columns.lack_points(part).tolist() == [
            any(
                obj.mask is not None and obj.point is None and not obj.crowd
                for obj in record.objects
            )
            for record in every
        ]
        assert columns.know_masks(part).tolist() == [
            record.class_map is not None
            or any(obj.mask is not None or obj.crowd for obj in record.objects)
            for record in every
        ]
