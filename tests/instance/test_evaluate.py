import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from ray_wssis.data.records import Category, Object, Record, Records
from ray_wssis.instance.evaluate import confusion_figures, precision_figures, warn
from ray_wssis.instance.find_instances import FindInstances
from ray_wssis.masks import disc

CATEGORIES = [Category(id=1, name="ant"), Category(id=2, name="bee"), Category(id=3, name="cow")]
LEFT, RIGHT = disc((10, 10), 100, 20, 40), disc((30, 10), 100, 20, 40)


@pytest.mark.parametrize(
    ("teacher", "student", "warned"), [(8.4, 5.3, True), (8.4, 9.4, False), (None, 5.3, False)]
)
def test_a_student_below_its_teacher_is_worth_a_warning(
    teacher: float | None, student: float, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    warn({"teacher/val/AP": teacher, "student/val/AP": student})
    assert ("worse than its teacher (AP 5.3 against 8.4)" in caplog.text) == warned


def record(image_id: int) -> Record:
    objects = (
        Object(annotation_id=1, label=0, mask=LEFT),
        Object(annotation_id=2, label=1, mask=RIGHT),
    )
    return Record(image_id=image_id, file="a.png", width=40, height=20, objects=objects)


@pytest.fixture
def rows(tmp_path: Path) -> UPath:
    """The first image: the teacher finds nothing, the student all, with one wrong class; the
    second one could not be read."""
    table = pa.Table.from_pylist(
        [
            {"model": "teacher", "image_id": 1, "label": [], "score": [], "mask": []},
            {
                "model": "student",
                "image_id": 1,
                "label": [0, 0],
                "score": [0.75, 0.5],
                "mask": [LEFT, RIGHT],
            },
            {"model": None, "image_id": 2, "label": None, "score": None, "mask": None},
        ],
        schema=FindInstances.schema.append(pa.field("source", pa.string())),
    )
    pq.write_table(table, str(tmp_path / "0.parquet"))
    return UPath(tmp_path)


def test_every_class_has_figures_and_a_number_of_objects(rows: UPath) -> None:
    truth = Records.from_rows([record(1), record(2)], CATEGORIES)
    figures = precision_figures(truth, rows, ["teacher", "student"])
    assert figures["student/val/AP/ant"] == pytest.approx(100 * 51 / 101)
    assert figures["student/val/AP50/bee"] == figures["teacher/val/AP/ant"] == 0
    assert math.isnan(figures["student/val/AP/cow"])
    assert [figures[f"val/objects/{c.name}"] for c in CATEGORIES] == [2, 2, 0]


def test_confusion_names_what_objects_were_taken_for(rows: UPath) -> None:
    truth = Records.from_rows([record(1), record(2)], CATEGORIES)
    confusion = confusion_figures(truth, rows, ["teacher", "student"])
    assert confusion["student"]["score"] == 0.75
    assert confusion["student"]["counts"] == [
        {"true": "bee", "found": None, "count": 2},
        {"true": "ant", "found": "ant", "count": 1},
        {"true": "ant", "found": None, "count": 1},
    ]
    assert confusion["teacher"]["counts"] == [
        {"true": "ant", "found": None, "count": 2},
        {"true": "bee", "found": None, "count": 2},
    ]
