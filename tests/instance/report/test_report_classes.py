"""The section about single classes, from a run folder like a real one and from figures by hand."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from ray_wssis.instance.report_classes import classes_section, lists, matrix, read_confusion
from ray_wssis.report.run_folder import RunFolder
from tests.support.elements import Elements

MODELS = {role: role for role in ("teacher", "student", "upper_bound")}
NAMES = ["circle", "square", "triangle", "star", "ring", "cross"]
COUNTS = {
    ("left", "left"): 29,
    ("left", "right"): 41,
    ("right", "right"): 50,
    ("right", None): 10,
    (None, "right"): 9,
    ("wheel", None): 1,
}


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def write_run(
    folder: Path, figures: dict[str, Any], counts: list[dict[str, Any]] | None = None
) -> RunFolder:
    (folder / "evaluation").mkdir()
    (folder / "metrics.json").write_text(json.dumps(figures))
    if counts is not None:
        confusion = {"student": {"score": 0.31, "counts": counts}}
        (folder / "evaluation/confusion.json").write_text(json.dumps(confusion))
    return RunFolder.read(UPath(folder))


def html_of(run: RunFolder, names: list[str]) -> str:
    section = classes_section(run, MODELS, names)
    assert section is not None
    Elements(section.html)
    return str(section.html)


def test_the_worst_class_of_the_student_comes_first(run: UPath) -> None:
    facts = RunFolder.read(run)
    text = words(html_of(facts, NAMES))
    precision = {name: facts.figures[f"student/val/AP/{name}"] or 0.0 for name in NAMES}
    places = [text.index(f" {name} ") for name in sorted(NAMES, key=lambda n: precision[n])]
    assert places == sorted(places)
    objects, teacher = facts.figures["val/objects/ring"], facts.figures["teacher/val/AP/ring"]
    assert f" ring {objects:.0f} {teacher:.1f} {precision['ring']:.1f} " in text


def test_the_confusion_of_a_run_adds_up_to_its_objects(run: UPath) -> None:
    facts = RunFolder.read(run)
    score, counts = read_confusion(facts, MODELS)
    assert score is not None
    for row in matrix(counts, NAMES)[:-1]:
        assert row["total"] == facts.figures[f"val/objects/{row['name']}"]
    assert any(true != found for true, found in counts if true and found)


def test_classes_without_objects_are_named_and_have_no_row(tmp_path: Path) -> None:
    figures = {
        "student/val/AP/ant": 5.0,
        "student/val/AP/bee": 3.0,
        "student/val/AP/cow": None,
        "val/objects/ant": 4,
        "val/objects/bee": 2,
        "val/objects/cow": 0,
    }
    html = html_of(write_run(tmp_path, figures), ["ant", "bee", "cow"])
    assert "no object of 1 class, so nothing is known of it: cow." in words(html)
    assert '<th scope="row">cow' not in html
    assert html.index("bee") < html.index("ant")


def test_many_classes_are_folded_and_their_confusion_is_a_list_of_pairs(tmp_path: Path) -> None:
    names = [f"class {i:02d}" for i in range(40)]
    figures = {f"student/val/AP/{name}": float(i) for i, name in enumerate(names)}
    figures |= {f"val/objects/{name}": 3 for name in names}
    counts = [{"true": "class 01", "found": "class 02", "count": 2}]
    html = html_of(write_run(tmp_path, figures, counts), names)
    assert "The other 28 classes" in html
    assert html.index("class 11") < html.index("<details>") < html.index("class 12</th>")
    assert "class 01 taken for class 02 2 of 2" in words(html)


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (7, "Of 10 objects in the validation images, 7 were found and 3 missed; 2 instances"),
        (0, "Of 3 objects in the validation images, 0 were found and 3 missed; 2 instances"),
    ],
)
def test_a_single_class_is_a_sentence(found: int, says: str, tmp_path: Path) -> None:
    counts: list[dict[str, Any]] = [
        {"true": "cell", "found": "cell", "count": found},
        {"true": "cell", "found": None, "count": 3},
        {"true": None, "found": "cell", "count": 2},
    ]
    figures = {"student/val/AP/cell": 20.0, "val/objects/cell": 10}
    html = html_of(write_run(tmp_path, figures, counts), ["cell"])
    assert says in words(html)
    assert "<table" not in html


def test_a_run_without_figures_of_classes_has_no_such_section(tmp_path: Path) -> None:
    run = write_run(tmp_path, {"student/val/AP": 3.0})
    assert classes_section(run, MODELS, ["ant", "bee"]) is None


def test_the_rows_of_the_matrix() -> None:
    left, right, wheel, invented = matrix(COUNTS, ["left", "right", "wheel", "unseen"][:3])
    assert [cell["count"] for cell in left["cells"]] == [29, 41, 0, 0]
    assert [cell["kind"] for cell in left["cells"]] == ["right", "wrong", "wrong", "lost"]
    assert round(left["cells"][1]["share"], 1) == 58.6
    assert (right["total"], wheel["total"]) == (60, 1)
    assert [cell["count"] for cell in invented["cells"]] == [0, 9, 0, 0]


def test_pairs_come_with_the_number_that_they_are_a_part_of() -> None:
    parts = lists(COUNTS)
    assert parts["confused"] == [{"true": "left", "found": "right", "count": 41, "of": 70}]
    assert [(line["true"], line["count"], line["of"]) for line in parts["missed"]] == [
        ("right", 10, 60),
        ("wheel", 1, 1),
    ]
    assert parts["invented"] == [{"true": None, "found": "right", "count": 9, "of": 100}]
