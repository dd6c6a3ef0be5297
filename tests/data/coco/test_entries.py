"""Tests of ray_wssis.data.coco.entries."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upath import UPath

from ray_wssis.data.coco import entries
from ray_wssis.data.coco.entries import Entries, walk_lists
from ray_wssis.data.coco.file import load_json, open_coco

TEXT = """{ "info": {"a": [1, 2]}, "images": [{"id": 1, "é\\ud83d": "x]"}, 12345, -1e5 , null,
  "long é text with \\"quotes\\" and ☃"], "annotations":[] ,
  "categories": [[[]], {}, NaN, -Infinity, true], "images": [{"id": 2}] , "n": 12}
"""


def whole(walked: Any) -> Any:
    """Read every list that was left in the file; other values are not kept."""
    if not isinstance(walked, dict):
        return walked
    return {key: list(x) if isinstance(x, Entries | list) else None for key, x in walked.items()}


def lists_of(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: x if isinstance(x, list) else None for key, x in value.items()}


def outcome(read: Any) -> str:
    try:
        return repr(read())
    except (ValueError, RecursionError) as error:
        return f"{error}"


def same(file: Path, content: bytes) -> None:
    """Read a file in both ways: the same lists, or the same complaint."""
    file.write_bytes(content)
    found = outcome(lambda: whole(walk_lists(UPath(file))))
    assert found == outcome(lambda: lists_of(json.loads(content)))


@pytest.mark.parametrize("block", [1, 2, 7, 64, 1 << 20])
def test_lists_are_read_whatever_the_size_of_a_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(entries, "BLOCK", block)
    content = TEXT.encode()
    same(tmp_path / "a.json", content)
    same(tmp_path / "a.json", b"\xef\xbb\xbf" + content)
    walked = walk_lists(UPath(tmp_path / "a.json"))
    assert list(walked["images"]) == list(walked["images"]) == [{"id": 2}]


def test_a_file_that_ends_too_early_has_the_complaint_of_json(tmp_path: Path) -> None:
    content = TEXT.encode()
    for length in range(len(content)):
        same(tmp_path / "a.json", content[:length])


@given(
    place=st.integers(0, len(TEXT) - 1),
    put=st.sampled_from('{}[],:"\\ 0-\nx\x00é'),
    cut=st.booleans(),
)
def test_a_broken_file_has_the_complaint_of_json(
    tmp_path_factory: pytest.TempPathFactory, place: int, put: str, cut: bool
) -> None:
    file = tmp_path_factory.getbasetemp() / "broken.json"
    same(file, (TEXT[:place] + put + TEXT[place + cut :]).encode())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"[1]",
        b"3",
        b'{"images": [\xff]}',
        b"{} {}",
        TEXT.encode("utf-16"),
        b'{"a": [1,]}',
    ],
)
def test_other_files_are_read_or_refused_as_json_does(tmp_path: Path, content: bytes) -> None:
    same(tmp_path / "a.json", content)


def test_a_malformed_entry_is_found_without_reading_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entries, "BLOCK", 64)
    start = '{"images": [\n  {"id": 1},\n  {"id" 2}'
    (tmp_path / "a.json").write_text(start + ", 0" * 10_000)
    with (tmp_path / "a.json").open("rb") as stream:
        text = entries.JsonText(stream, 0)
        with pytest.raises(
            ValueError, match=r"Expecting ':' delimiter: line 3 column 9 \(char 34\)"
        ):
            for _ in text.members():
                list(text.entries())
        assert stream.tell() < 1000


def test_a_coco_file_is_named_in_complaints_as_when_it_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    for content in ('{"images": {}}', "{}", "[]", '{"images": [1, }', "", '{"a": "b", "c": null}'):
        file.write_text(content)
        assert outcome(lambda: open_coco(str(file))) == outcome(lambda: load_json(str(file)))
