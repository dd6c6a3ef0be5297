"""Tests of ray_wssis.data.survey.outlines and .points, and of the outlines that they count."""

import json
from pathlib import Path
from typing import Any

import pytest

from ray_wssis.data.check.coco import check_coco
from ray_wssis.data.coco.read import read_coco
from tests.support.coco_files import one_class

GOOD = {"segmentation": [[6, 9, 20, 9, 20, 29, 6, 29]]}
ELSEWHERE = {"segmentation": [[36, 9, 50, 9, 50, 29, 36, 29]]}
FRACTIONS = {"segmentation": [[0.1, 0.2, 0.3, 0.2, 0.3, 0.6]]}
LINE: dict[str, Any] = {"segmentation": [[10, 10, 30, 10, 20, 10]], "bbox": [6, 9, 14, 20]}
DOT = {"segmentation": [[40.2, 10.1] * 3], "bbox": [34, 11, 14, 16]}
PAIRS = {"segmentation": [[6, 9], [20, 9], [20, 29]]}


def found(*annotations: dict[str, Any]) -> list[tuple[str, str, str]]:
    problems = check_coco(one_class(*annotations))
    return [(p.severity, p.kind, p.found) for p in problems if p.severity != "info"]


def write(folder: Path, *annotations: dict[str, Any]) -> str:
    (folder / "a.json").write_text(json.dumps(one_class(*annotations)))
    return str(folder / "a.json")


def test_fractions_are_one_error_with_a_count_and_refused(tmp_path: Path) -> None:
    ((severity, kind, text),) = found(*[FRACTIONS] * 5, GOOD)
    assert (severity, kind) == ("error", "outlines in fractions")
    assert text.startswith("5 of 6 masks (annotations 1, 2, 3, ...): the outline lies between 0 an")
    with pytest.raises(ValueError, match=r"annotation 2 .*probably fractions of the image"):
        read_coco(write(tmp_path, GOOD, FRACTIONS), "")


@pytest.mark.parametrize(
    "corners",
    [
        [0, 0, 1, 0, 1, 1, 0, 1],  # the first pixel
        [0.2, 0.3, 2.5, 0.3, 2.5, 2.5],
        [0, 0, 64, 0, 64, 0.5, 0, 0.5],
    ],
)
def test_a_small_object_in_the_corner_is_no_fraction(corners: list[float]) -> None:
    assert found({"segmentation": [corners]}) == []


def test_outlines_without_area_are_left_out_with_a_count(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ((severity, kind, text),) = found(LINE, DOT, GOOD, ELSEWHERE)
    assert (severity, kind) == ("warning", "outlines without area")
    assert text.startswith("2 of 4 masks (annotations 1, 2): the outline has no area")
    (record,) = read_coco(write(tmp_path, LINE, DOT, GOOD, ELSEWHERE), "")
    assert [obj.annotation_id for obj in record.objects] == [3, 4]
    assert caplog.text.count("2 of 4 masks (annotations 1, 2): the outline has no area") == 1


def test_mostly_outlines_without_area_are_refused(tmp_path: Path) -> None:
    assert [entry[:2] for entry in found(LINE, DOT, GOOD)] == [("error", "outlines without area")]
    with pytest.raises(ValueError, match=r"a\.json: 2 of 3 masks .* the outline has no area"):
        read_coco(write(tmp_path, LINE, DOT, GOOD), "")


@pytest.mark.parametrize(
    "corners", [[10, 10, 40, 40], [10, 10, 40, 23, 20, 10 + 13 / 3], [5, 5, 5, 40, 5, 5, 5, 20]]
)
def test_corners_on_one_line_have_no_area(corners: list[float]) -> None:
    kinds = [kind for _, kind, _ in found(GOOD, {"segmentation": [corners]})]
    assert kinds == ["outlines without area"]


@pytest.mark.parametrize(
    "corners",
    [
        [10, 10, 10, 10, 10.01, 10, 10.01, 10.01],  # tiny, yet an object
        [10, 10, 20, 20, 20, 10, 10, 20],  # a figure of eight
        [10, 10, 10, 10, 40, 10, 20, 10, 20, 30],
    ],
)
def test_tiny_and_crossed_outlines_have_an_area(corners: list[float]) -> None:
    assert found({"segmentation": [corners]}) == []


@pytest.mark.parametrize(
    "segmentation",
    [
        PAIRS["segmentation"],
        [[[6, 9], [20, 9], [20, 29]]],
        [6, 9, 20, 9, 20, 29],
        [{"x": 6, "y": 9}, {"x": 20, "y": 9}, {"x": 20, "y": 29}],
        [["6", "9", "20", "9", "20", "29"]],
    ],
)
def test_outlines_in_another_form_are_one_line_with_the_way_on(segmentation: Any) -> None:
    data = one_class(*[{"segmentation": segmentation}] * 4)
    (problem,) = (p for p in check_coco(data) if p.severity != "info")
    assert (problem.severity, problem.kind) == ("error", "outlines in another form")
    assert problem.found.startswith("4 of 4 masks (annotations 1, 2, 3, ...)")
    assert "wssis data fix" in problem.wanted


def test_points_in_fractions_are_an_error_and_refused(tmp_path: Path) -> None:
    points = [{"point": [0.2, 0.3 + i / 10]} for i in range(4)]
    ((severity, kind, text),) = (entry for entry in found(*points) if "fractions" in entry[1])
    assert (severity, kind) == ("error", "points in fractions")
    assert text.startswith("4 of 4 points (annotations 1, 2, 3, ...) lie between 0 and 1")
    with pytest.raises(ValueError, match=r"4 of 4 points .* probably fractions"):
        read_coco(write(tmp_path, *points), "", rejected=[])
    assert found(points[0], {"point": [9, 9]}, GOOD) == []


def test_parts_without_three_corners_do_not_matter() -> None:
    outline = GOOD["segmentation"][0]
    assert found({"segmentation": [outline, []]}, {"segmentation": [[], [1, 2], outline[:6]]}) == []
    line = {"segmentation": [LINE["segmentation"][0], []]}
    assert [kind for _, kind, _ in found(GOOD, line)] == ["outlines without area"]
