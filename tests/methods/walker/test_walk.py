import numpy as np
import pytest

from ray_wssis.data.records import Object, Record
from ray_wssis.instance.area_prior import AreaPrior
from ray_wssis.masks import decode, iou
from ray_wssis.methods.walker.labeller import WalkerLabeller
from ray_wssis.methods.walker.walk import GRID, seeds_of, walk
from ray_wssis.streaming.decode import Image
from tests.support.squares import image_of


def painted(record: Record) -> np.ndarray:
    """Red squares on green."""
    pixels = np.full((record.height, record.width, 3), (0, 160, 0), np.uint8)
    for obj in record.objects:
        assert obj.mask is not None
        pixels[decode(obj.mask, record.height, record.width)] = (200, 0, 0)
    return pixels


def test_a_square_of_another_colour_is_found_whole() -> None:
    record = image_of(1, [(20, 30, 21), (60, 5, 15), (80, 80, 20)])  # the last one in the corner
    points = [obj.point for obj in record.objects if obj.point is not None]
    walked = walk(painted(record), points, [11.0, 8.0, 11.0])
    for obj, found in zip(record.objects, walked, strict=True):
        assert obj.mask is not None and found.mask is not None
        assert iou(found.mask, obj.mask, 100, 100) > 0.85
        assert found.strength > 0.9


def test_points_are_seeds_and_the_border_is_background() -> None:
    nowhere = np.zeros((GRID, GRID), bool)
    seeds = seeds_of((24.5, 24.5), [(10.5, 30.5)], (0, 0), 1.0, nowhere)
    assert seeds[24, 24] == 1 and seeds[30, 10] == 0 and (seeds[0] == 0).all()
    assert np.isnan(seeds[20, 20])


def test_rows_are_complete_and_know_no_truth() -> None:
    record = image_of(1, [(20, 30, 21), (60, 5, 15)])
    labeller = WalkerLabeller.of(AreaPrior.of([record]), num_classes=2)
    assert labeller.radii[0] == pytest.approx(np.sqrt(21 * 15 / np.pi), abs=1e-3)
    image = Image(record=record, source="audit", key=0, pixels=painted(record))
    (row,) = labeller.open()([image])
    done = labeller.finish(row)
    assert set(labeller.schema.names) <= done.keys()
    assert done["flags"] == [[], []] and done["annotation_id"] == [1000, 1001]
    assert done["outline"] == pytest.approx([1.0, 1.0], abs=0.1)


def test_an_object_without_a_point_is_left_out() -> None:
    record = Record(
        image_id=1, file="", width=9, height=9, objects=(Object(annotation_id=1, label=0),)
    )
    labeller = WalkerLabeller(radii=(3.0,), made_from="", lineage={})
    image = Image(record=record, source="", key=0, pixels=np.zeros((9, 9, 3), np.uint8))
    assert labeller.finish(labeller.row(image))["flags"] == []
