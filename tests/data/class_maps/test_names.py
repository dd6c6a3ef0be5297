"""Tests of ray_wssis.data.class_maps.names."""

from pathlib import Path

import pytest

from ray_wssis.data.class_maps.names import places_of, read_names
from ray_wssis.data.records import Record, Records

FILES = ["/data/x/a.jpg", "/data/x/b.jpg", "/data/y/a.jpg", "/data/y/frame.0001"]
RECORDS = Records.from_rows(
    [Record(image_id=i, file=file, width=1, height=1) for i, file in enumerate(FILES)], []
)


def listed(folder: Path, text: str) -> list[int]:
    file = folder / "list.txt"
    file.write_text(text)
    return places_of(read_names(str(file)), RECORDS, "list.txt")


def test_names_count_with_and_without_suffix_and_folders(tmp_path: Path) -> None:
    assert listed(tmp_path, "b\ny/a\n\nx/a.jpg\nframe.0001\n") == [1, 2, 0, 3]


def test_a_coco_file_is_a_list_of_its_images(tmp_path: Path) -> None:
    file = tmp_path / "val.json"
    file.write_text('{"images": [{"file_name": "b/a c.png"}], "annotations": [], "categories": []}')
    assert read_names(str(file)) == ["b/a c.png"]


def test_a_line_may_name_the_class_map_too(tmp_path: Path) -> None:
    assert listed(tmp_path, "/x/b.jpg /SegmentationClassAug/b.png\n") == [1]


def test_a_name_that_is_there_twice_counts_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert listed(tmp_path, "b\nx/a\nb\n") == [1, 0]
    assert "1 of 3 names are there before, for instance b: each counts once" in caplog.text


@pytest.mark.parametrize(
    "text, complaint",
    [
        (
            "b\nframe.001\n",
            "list.txt: 1 of 2 names are not those of one image, for instance frame.001; did",
        ),
        ("b\na\n", "names are not those of one image, for instance a: several have it; write"),
        ("\n", "list.txt: the list of images is empty; a name a line is needed"),
    ],
)
def test_names_that_mean_no_image_are_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        listed(tmp_path, text)
