"""Tests of ray_wssis.data.coco.file."""

import json
from pathlib import Path
from typing import Any

import pytest

from ray_wssis.data.check.coco import check_file
from ray_wssis.data.coco.file import load_json
from ray_wssis.data.coco.read import read_coco

COCO: dict[str, Any] = {"images": [], "annotations": [], "categories": []}


def test_a_folder_names_its_json_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="this is a folder, and no JSON file is in it"):
        load_json(str(tmp_path))
    (tmp_path / "annotations").mkdir()
    (tmp_path / "_annotations.coco.json").write_text(json.dumps(COCO))
    (tmp_path / "annotations" / "a.json").write_text(json.dumps(COCO))
    wanted = r"this is a folder, the COCO file is needed: is it _annotations.coco.json, annotat"
    for place in (str(tmp_path), f"{tmp_path}/"):
        with pytest.raises(ValueError, match=wanted):
            load_json(place)
        with pytest.raises(ValueError, match=wanted):
            read_coco(place, "")
        (problem,) = check_file(place)
        assert problem.found.startswith("this is a folder")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"\x89PNG\r\n\x1a\n\0", "this is an image"),
        (b"\xff\xd8\xff\xe0", "this is an image"),
        (b"PK\x03\x04", "this is a ZIP archive, which must be unpacked"),
        (b"<?xml version='1.0'?>", "this is XML"),
        (b"", "the file is empty"),
        (b" \n", "the file is empty"),
        (b"{", "Expecting property name"),
        (b'{"a": 1}\n{"a": 2}', "Extra data"),
        (b"[" * 200_000, "recursion"),
    ],
)
def test_what_is_no_json_is_named(tmp_path: Path, content: bytes, complaint: str) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.json: not a JSON file \(.*{complaint}"):
        load_json(str(file))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[]", "this file is a list"),
        ("3", "this file is a number"),
        ("{}", "this one is empty"),
        ('{"shapes": [], "imagePath": ""}', "this one has `shapes`, `imagePath`"),
        ('{"images": [], "categories": []}', "`annotations` is missing"),
        (json.dumps(COCO | {"annotations": {}}), "`annotations` is a mapping; `wssis data fix"),
        (json.dumps(COCO | {"annotations": None}), "`annotations` is null"),
    ],
)
def test_what_is_no_coco_file_is_named(tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(ValueError, match=f"a COCO file has lists .*{complaint}"):
        load_json(str(tmp_path / "a.json"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_other_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps(COCO), encoding=encoding)
    assert load_json(str(tmp_path / "a.json")) == COCO
