"""Tests of ray_wssis.data.imports.voc_scribbles."""

from pathlib import Path

import pytest
from upath import UPath

from ray_wssis.data.imports.export import Notes
from ray_wssis.data.imports.export_format import ExportFormat
from ray_wssis.data.imports.formats import read_export, recognise
from ray_wssis.data.imports.voc_scribbles import read_voc_scribbles
from tests.support.exports import scribble_file


def test_scribbles_have_classes_and_places(tmp_path: Path) -> None:
    text = scribble_file(("plane", [(1, 2), (3, 2)]), ("background", [(0, 0)]), ("cat", []))
    (tmp_path / "2007_000032.xml").write_text(text)
    (tmp_path / "2007_000033.xml").write_text("<annotation>")
    (tmp_path / "2007_000034.xml").write_text("<annotations/>")
    notes = Notes()
    assert recognise(UPath(tmp_path)) is ExportFormat.VOC_SCRIBBLES
    (image,) = read_voc_scribbles(UPath(tmp_path), notes)
    assert (image.name, image.size) == ("2007_000032", (4, 6))
    assert [(stroke.class_name, stroke.places) for stroke in image.strokes] == [
        ("plane", ((1.5, 2.5), (3.5, 2.5))),
        ("background", ((0.5, 0.5),)),
    ]
    assert [(problem.kind, problem.where) for problem in notes.problems.found] == [
        ("malformed scribble", "2007_000032.xml, scribble 2"),
        ("unreadable file", "2007_000033.xml"),
        ("unreadable file", "2007_000034.xml"),
    ]


def test_places_are_whole_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(scribble_file(("cat", [(1, 2)])).replace(">1<", ">one<"))
    notes = Notes()
    (image,) = read_voc_scribbles(UPath(tmp_path), notes)
    (problem,) = notes.problems.found
    assert not image.strokes and problem.found == "X: 'one'"


def test_a_folder_without_scribbles_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no XML file in the folder"):
        read_export(UPath(tmp_path), ExportFormat.VOC_SCRIBBLES, Notes())
