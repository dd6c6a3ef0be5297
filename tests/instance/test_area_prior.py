import json

import numpy as np
import pytest

from ray_wssis.data.records import Object, Record
from ray_wssis.instance.area_prior import FEWEST, LEAST_SPREAD, AreaPrior
from ray_wssis.masks import encode


def record(areas: list[int], labels: list[int], crowds: list[bool] | None = None) -> Record:
    masks = []
    for pixels in areas:
        mask = np.zeros((50, 100), dtype=bool)
        mask.ravel()[:pixels] = True
        masks.append(encode(mask))
    return Record(
        image_id=1,
        file="a.png",
        width=100,
        height=50,
        objects=tuple(
            Object(annotation_id=i, label=label, mask=mask, crowd=crowd)
            for i, (label, mask, crowd) in enumerate(
                zip(labels, masks, crowds or [False] * len(areas), strict=True)
            )
        ),
    )


def test_the_usual_size_is_that_of_the_class() -> None:
    prior = AreaPrior.of([record([10] * FEWEST + [1000] * FEWEST, [0] * FEWEST + [1] * FEWEST)])
    assert prior.typical(0) == pytest.approx(10)
    assert prior.typical(1) == pytest.approx(1000)


def test_a_class_with_few_masks_is_as_all_classes_together() -> None:
    prior = AreaPrior.of([record([10] * FEWEST + [1000] * (FEWEST - 1), [0] * 5 + [1] * 4)])
    everything = float(np.exp((5 * np.log(10) + 4 * np.log(1000)) / 9))
    assert prior.typical(1) == prior.typical(7) == pytest.approx(everything)
    assert prior.typical(0) == pytest.approx(10)


def test_deviations_are_standard_deviations_of_the_logarithm() -> None:
    areas = [50, 100, 200, 400, 800]
    prior = AreaPrior.of([record(areas, [0] * 5)])
    spread = np.log(areas).std()
    found = prior.deviation(np.array([0, 0, 0]), np.array([200, 400, 0]))
    assert found.tolist() == pytest.approx([0, np.log(2) / spread, -np.log(200) / spread])
    assert prior.deviation(0, 400) == found[1]
    assert prior.deviation(np.zeros(0, np.int64), np.zeros(0)).shape == (0,)


def test_equal_areas_do_not_make_all_others_impossible() -> None:
    prior = AreaPrior.of([record([100] * 5, [0] * 5)])
    assert prior.deviation(0, 110) == pytest.approx(np.log(1.1) / LEAST_SPREAD)


def test_crowds_are_no_objects() -> None:
    crowd = record([10] * 5 + [5000], [0] * 6, [False] * 5 + [True])
    assert AreaPrior.of([crowd]).typical(0) == pytest.approx(10)


def test_json_brings_it_back() -> None:
    prior = AreaPrior.of([record([10, 20, 30, 40, 50, 60], [0] * 5 + [3])])
    assert AreaPrior.from_json(json.loads(json.dumps(prior.to_json()))) == prior


def test_without_any_mask_there_is_no_usual_size() -> None:
    with pytest.raises(ValueError, match="no true mask"):
        AreaPrior.of([record([], [])])
