"""Tests of ray_wssis.data.coco.collected."""

from random import Random

import pytest

from ray_wssis.data.coco import collected
from ray_wssis.data.coco.collected import Collected
from ray_wssis.data.records import SCHEMA, Category, Click, Object, Record

CATEGORIES = [Category(id=3, name="a"), Category(id=5, name="b")]


def drawn(number: int, draw: Random) -> Object:
    clicks = [Click(draw.random(), 1.5, positive=bool(k)) for k in range(draw.randrange(3))]
    return Object(
        annotation_id=number,
        label=draw.randrange(2),
        mask=draw.choice([None, b"", bytes(draw.randrange(9))]),
        point=draw.choice([None, (0.0, 2.5), (draw.random(), -0.0)]),
        crowd=draw.random() < 0.2,
        clicks=tuple(clicks[: draw.randrange(3)]),
    )


@pytest.mark.parametrize("held", [1, 5, 1000])
@pytest.mark.parametrize("in_order", [True, False])
def test_objects_come_back_to_their_images(
    held: int, in_order: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collected, "HELD", held)
    draw = Random(0)
    sizes = [(4, 6), (480, 640), (1, 1)]
    images = [
        Record(
            image_id=draw.randrange(-(2**62), 2**62),
            file=f"{i} é.png",
            height=sizes[i % 3][0],
            width=sizes[i % 3][1],
            tags=draw.choice([None, (), (0, 1)]),
            annotated=draw.choice([None, b"", b"06"]),
        )
        for i in range(20)
    ]
    found = Collected()
    for x in images:
        found.add_image(x.image_id, x.file, (x.height, x.width), x.tags, x.annotated)
    places = [draw.randrange(19) for _ in range(60)]  # the last image stays empty
    objects = [drawn(number, draw) for number in range(60)]
    for place, obj in zip(sorted(places) if in_order else places, objects, strict=True):
        found.add(place, obj)
    records = found.records(CATEGORIES)
    by_place = sorted(places) if in_order else places
    for place, (record, image) in enumerate(zip(records, images, strict=True)):
        own = tuple(obj for at, obj in zip(by_place, objects, strict=True) if at == place)
        assert record.objects == own
        assert (record.image_id, record.file, record.tags, record.annotated) == (
            image.image_id,
            image.file,
            image.tags,
            image.annotated,
        )
        assert (record.height, record.width) == (image.height, image.width)
    assert records.table.schema.equals(SCHEMA)
    records.table.validate(full=True)
