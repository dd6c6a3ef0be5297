"""Average precision against pycocotools used by hand."""

import contextlib
import io
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ray_wssis.data.records import Category, Object, Record, Records
from ray_wssis.masks import decode, encode
from ray_wssis.metrics.coco_ap import (
    NAMES,
    Prediction,
    average_precision,
    count_objects,
    measure_precision,
)

CATEGORIES = [Category(id=3, name="a"), Category(id=7, name="b")]


def square(x: int, y: int, side: int) -> bytes:
    mask = np.zeros((120, 160), bool)
    mask[y : y + side, x : x + side] = True
    return encode(mask)


def record(image_id: int, *objects: tuple[int, bytes | None, bool]) -> Record:
    return Record(
        image_id=image_id,
        file=f"{image_id}.png",
        width=160,
        height=120,
        objects=tuple(
            Object(annotation_id=image_id * 10 + i, label=label, mask=mask, crowd=crowd)
            for i, (label, mask, crowd) in enumerate(objects)
        ),
    )


TRUTH = Records.from_rows(
    [
        record(1, (0, square(10, 10, 20), False), (1, square(60, 20, 50), False)),
        record(2, (0, square(0, 0, 100), False), (0, square(100, 60, 60), True)),
        record(5, (1, square(5, 5, 10), False), (0, None, False)),
        record(6),
    ],
    CATEGORIES,
)
FOUND = [
    Prediction(
        image_id=1,
        labels=[0, 1, 1, 0],
        scores=[0.9, 0.8, 0.7, 0.2],
        masks=[square(12, 10, 20), square(60, 24, 50), square(61, 20, 50), square(90, 90, 20)],
    ),
    Prediction(
        image_id=2,
        labels=[0, 0, 0],
        scores=[0.5, 0.95, 0.6],
        masks=[square(0, 0, 90), square(105, 65, 40), square(110, 70, 30)],  # two in the crowd
    ),
    Prediction(image_id=6, labels=[1], scores=[0.75], masks=[square(5, 5, 30)]),
]


def by_hand(truth: Records, found: list[Prediction]) -> list[float]:
    rows = list(truth)
    dataset: dict[str, Any] = {
        "images": [{"id": r.image_id, "width": 160, "height": 120} for r in rows],
        "categories": [{"id": category.id} for category in CATEGORIES],
        "annotations": [],
    }
    for r in rows:
        for obj in r.objects:
            if obj.mask is not None:
                rle = {"size": [120, 160], "counts": obj.mask}
                dataset["annotations"].append(
                    {
                        "id": len(dataset["annotations"]) + 1,
                        "image_id": r.image_id,
                        "category_id": CATEGORIES[obj.label].id,
                        "segmentation": rle,
                        "area": float(coco_mask.area(rle)),
                        "iscrowd": int(obj.crowd),
                    }
                )
    results = [
        {
            "image_id": prediction.image_id,
            "category_id": CATEGORIES[label].id,
            "score": score,
            "segmentation": {"size": [120, 160], "counts": mask},
        }
        for prediction in found
        for label, score, mask in zip(
            prediction.labels, prediction.scores, prediction.masks, strict=True
        )
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        ground = COCO()
        ground.dataset = dataset
        ground.createIndex()
        evaluation = COCOeval(ground, ground.loadRes(results), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [100 * float(x) for x in evaluation.stats[:6]]


def test_figures_are_those_of_pycocotools() -> None:
    figures = average_precision(TRUTH, FOUND)
    assert tuple(figures) == NAMES
    assert list(figures.values()) == pytest.approx(by_hand(TRUTH, FOUND))
    assert 0 < figures["AP"] < figures["AP50"] < 100


def of_class(truth: Records, label: int) -> Records:
    """The same images with the objects of one class alone, as the only class."""
    rows = [
        replace(
            row,
            objects=tuple(replace(obj, label=0) for obj in row.objects if obj.label == label),
        )
        for row in truth
    ]
    return Records.from_rows(rows, CATEGORIES[:1])


def found_of_class(label: int) -> list[Prediction]:
    kept = [[i for i, own in enumerate(image.labels) if own == label] for image in FOUND]
    return [
        Prediction(
            image_id=image.image_id,
            labels=[0 for _ in places],
            scores=[image.scores[i] for i in places],
            masks=[image.masks[i] for i in places],
        )
        for image, places in zip(FOUND, kept, strict=True)
    ]


def test_figures_of_a_class_are_those_of_its_objects_and_instances_alone() -> None:
    by_class = measure_precision(TRUTH, FOUND).by_class
    for label in (0, 1):
        alone = average_precision(of_class(TRUTH, label), found_of_class(label))
        assert by_class["AP"][label] == pytest.approx(alone["AP"])
        assert by_class["AP50"][label] == pytest.approx(alone["AP50"])
    assert by_class["AP"][0] != by_class["AP"][1]
    mean = sum(by_class["AP"]) / 2
    assert mean == pytest.approx(average_precision(TRUTH, FOUND)["AP"])


def test_a_class_without_objects_has_no_figure() -> None:
    three = Records.from_rows(list(TRUTH), [*CATEGORIES, Category(id=9, name="c")])
    spurious = Prediction(image_id=5, labels=[2], scores=[0.9], masks=[square(0, 0, 9)])
    by_class = measure_precision(three, [*FOUND, spurious]).by_class
    assert math.isnan(by_class["AP"][2]) and math.isnan(by_class["AP50"][2])
    assert count_objects(three) == [2, 2, 0]  # without the crowd and the one without a mask


def test_a_perfect_prediction_has_100() -> None:
    perfect = [
        Prediction(
            image_id=row.image_id,
            labels=[obj.label for obj in row.objects if obj.mask],
            scores=[0.9 for obj in row.objects if obj.mask],
            masks=[obj.mask for obj in row.objects if obj.mask],
        )
        for row in TRUTH
    ]
    assert list(average_precision(TRUTH, perfect).values()) == pytest.approx([100] * 6)


def test_what_is_found_in_a_crowd_is_neither_right_nor_wrong() -> None:
    without = [
        prediction
        if prediction.image_id != 2
        else Prediction(image_id=2, labels=[0], scores=[0.5], masks=prediction.masks[:1])
        for prediction in FOUND
    ]
    assert average_precision(TRUTH, FOUND) == average_precision(TRUTH, without)


def left_half() -> bytes:
    mask = np.zeros((120, 160), bool)
    mask[:, :80] = True
    return encode(mask)


# Somebody looked at the left half only: an object lies in it, one across its edge, one beyond.
HALF_SEEN = replace(
    record(
        1,
        (0, square(10, 10, 20), False),
        (0, square(50, 60, 50), False),
        (0, square(90, 10, 30), False),
    ),
    annotated=left_half(),
)
HALF_FOUND = Prediction(
    image_id=1,
    labels=[0, 0, 0, 0, 1, 0, 0],
    scores=[0.99, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4],
    masks=[
        square(120, 80, 30),  # nothing is known there
        square(10, 10, 20),
        square(51, 60, 50),
        square(90, 10, 30),  # the object that nobody looked at
        square(75, 60, 20),  # mostly beyond: neither right nor wrong
        square(10, 90, 20),  # wrong
        square(65, 60, 20),  # mostly seen: wrong
    ],
)


def test_what_nobody_looked_at_is_a_crowd_of_every_class() -> None:
    truth = Records.from_rows([HALF_SEEN, *list(TRUTH)[1:]], CATEGORIES)
    beyond = encode(~decode(left_half(), 120, 160))
    seen, across, unseen = HALF_SEEN.objects
    crowds = (
        Object(annotation_id=90 + label, label=label, mask=beyond, crowd=True) for label in (0, 1)
    )
    as_crowds = replace(
        HALF_SEEN,
        objects=(seen, across, replace(unseen, crowd=True), *crowds),
        annotated=None,
    )
    by_crowds = Records.from_rows([as_crowds, *list(TRUTH)[1:]], CATEGORIES)
    figures = average_precision(truth, [HALF_FOUND, *FOUND[1:]])
    assert figures == average_precision(by_crowds, [HALF_FOUND, *FOUND[1:]])
    expected = by_hand(by_crowds, [HALF_FOUND, *FOUND[1:]])
    assert list(figures.values()) == pytest.approx(expected)


def test_detections_beyond_the_annotated_part_are_neither_right_nor_wrong() -> None:
    truth = Records.from_rows([HALF_SEEN], CATEGORIES)
    kept = [1, 2, 5, 6]  # of the detections, those in the annotated part
    within = Prediction(
        image_id=1,
        labels=[HALF_FOUND.labels[i] for i in kept],
        scores=[HALF_FOUND.scores[i] for i in kept],
        masks=[HALF_FOUND.masks[i] for i in kept],
    )
    figures = average_precision(truth, [HALF_FOUND])
    assert figures["AP50"] == average_precision(truth, [within])["AP50"] == pytest.approx(100)
    everywhere = Records.from_rows([replace(HALF_SEEN, annotated=None)], CATEGORIES)
    assert average_precision(everywhere, [HALF_FOUND])["AP50"] < 100


def test_an_image_annotated_as_a_whole_has_the_figures_of_any_image() -> None:
    whole = encode(np.ones((120, 160), bool))
    truth = Records.from_rows([replace(row, annotated=whole) for row in TRUTH], CATEGORIES)
    assert average_precision(truth, FOUND) == average_precision(TRUTH, FOUND)


@pytest.mark.parametrize("found", [[], [Prediction(image_id=1, labels=[], scores=[], masks=[])]])
def test_nothing_found_is_zero_and_sizes_without_objects_are_not_a_number(
    found: list[Prediction],
) -> None:
    small = Records.from_rows([record(1, (0, square(10, 10, 20), False))], CATEGORIES)
    figures = average_precision(small, found)
    assert [figures[name] for name in ("AP", "AP50", "AP75", "AP_small")] == [0] * 4
    assert math.isnan(figures["AP_medium"]) and math.isnan(figures["AP_large"])


def test_an_image_without_a_prediction_counts_as_missed() -> None:
    complete = average_precision(TRUTH, FOUND)
    partial = average_precision(TRUTH, FOUND[:1])
    assert partial["AP50"] < complete["AP50"]


def test_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    average_precision(TRUTH, FOUND)
    assert capsys.readouterr().out == ""
