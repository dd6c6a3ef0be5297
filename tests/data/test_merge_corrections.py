"""Tests of ray_wssis.data.merge_corrections."""

import copy
import json
from pathlib import Path

import pytest

from ray_wssis.data.merge_corrections import Merged, merge_corrections
from tests.support.correction_files import (
    BASE,
    LEFT,
    MIDDLE,
    RIGHT,
    coco,
    drawn,
    merged,
    pseudo,
    rle,
)


def test_a_drawn_mask_and_its_class_win_and_all_else_stays(tmp_path: Path) -> None:
    numbers, out = merged(tmp_path, coco(drawn(1, MIDDLE, category_id=2, note="mine")))
    assert numbers == Merged(corrected=1, added=0, deleted=0, unchanged=2)
    expected = copy.deepcopy(BASE)
    first = expected["annotations"][0]
    for key in ("expected_iou", "flags", "pseudo"):
        del first[key]
    first |= {"category_id": 2, "segmentation": rle(MIDDLE), "bbox": [2, 0, 2, 4], "area": 8}
    first["corrected"] = True
    assert out == expected
    assert [*out] == [*BASE]


def test_an_object_can_be_deleted_and_one_can_be_added(tmp_path: Path) -> None:
    gone = {"id": 2, "image_id": 5, "deleted": True}
    new = drawn(8, RIGHT, image=6, note="mine", point=[5, 1])
    numbers, out = merged(tmp_path, coco(gone, new))
    assert numbers == Merged(corrected=0, added=1, deleted=1, unchanged=2)
    assert out["annotations"][:2] == [BASE["annotations"][0], BASE["annotations"][2]]
    box = {"iscrowd": 0, "bbox": [4, 0, 2, 4], "area": 8, "corrected": True}
    assert out["annotations"][2:] == [new | box]


def test_polygons_and_an_ignored_region_become_the_mask_of_an_object(tmp_path: Path) -> None:
    ignored = coco(pseudo(1, LEFT) | {"iscrowd": 1})
    outline = drawn(1, LEFT) | {"segmentation": [[2, 0, 4, 0, 4, 4, 2, 4]]}
    numbers, out = merged(tmp_path, coco(outline), base=ignored)
    assert numbers.corrected == 1
    (entry,) = out["annotations"]
    assert (entry["iscrowd"], entry["segmentation"]) == (0, rle(MIDDLE))


def test_of_two_corrections_the_later_one_counts(tmp_path: Path) -> None:
    gone = {"id": 1, "image_id": 5, "deleted": True}
    unused = {"id": 7, "image_id": 5, "deleted": True}
    earlier = coco(gone, drawn(2, MIDDLE), drawn(7, MIDDLE), drawn(8, LEFT))
    later = coco(drawn(1, MIDDLE), gone | {"id": 2}, unused, drawn(8, RIGHT))
    numbers, out = merged(tmp_path, earlier, later)
    assert numbers == Merged(corrected=1, added=1, deleted=1, unchanged=1)
    found = {entry["id"]: entry["segmentation"] for entry in out["annotations"]}
    assert found == {1: rle(MIDDLE), 3: rle(LEFT), 8: rle(RIGHT)}


def test_what_came_back_untouched_corrects_nothing_unless_it_says_so(tmp_path: Path) -> None:
    confirmed = BASE["annotations"][1] | {"corrected": True}
    numbers, out = merged(tmp_path, coco(BASE["annotations"][0], confirmed))
    assert numbers == Merged(corrected=1, added=0, deleted=0, unchanged=2)
    assert out["annotations"][0] == BASE["annotations"][0]
    assert out["annotations"][1]["corrected"] and "pseudo" not in out["annotations"][1]


def test_an_untouched_mask_of_an_ignored_region_stays_ignored(tmp_path: Path) -> None:
    ignored = coco(pseudo(1, LEFT) | {"iscrowd": 1})
    numbers, out = merged(tmp_path, coco(drawn(1, LEFT)), base=ignored)
    assert numbers.unchanged == 1 and out == ignored
    (tmp_path / "confirmed").mkdir()
    confirmed = coco(drawn(1, LEFT, corrected=True))
    numbers, out = merged(tmp_path / "confirmed", confirmed, base=ignored)
    assert numbers.corrected == 1 and out["annotations"][0]["iscrowd"] == 0


def test_merging_twice_changes_nothing_more(tmp_path: Path) -> None:
    fixes = coco(drawn(1, MIDDLE), {"id": 2, "image_id": 5, "deleted": True}, drawn(8, LEFT))
    _, once = merged(tmp_path, fixes)
    (tmp_path / "again").mkdir()
    numbers, twice = merged(tmp_path / "again", fixes, base=once)
    assert twice == once
    assert numbers == Merged(corrected=0, added=0, deleted=0, unchanged=3)


def test_a_broken_annotation_of_the_base_can_be_corrected(tmp_path: Path) -> None:
    broken = coco({"id": 1, "image_id": 5, "category_id": 77, "segmentation": "?"})
    numbers, out = merged(tmp_path, coco(drawn(1, LEFT)), base=broken)
    assert numbers.corrected == 1
    assert out["annotations"][0]["segmentation"] == rle(LEFT)


def test_an_added_object_stays_in_its_image(tmp_path: Path) -> None:
    complaint = r"2\.json: annotation 8: found in image 6, .* is in image 5"
    with pytest.raises(ValueError, match=complaint):
        merged(tmp_path, coco(drawn(8, LEFT)), coco(drawn(8, LEFT, image=6)))


def test_no_file_is_replaced(tmp_path: Path) -> None:
    for name in ("base.json", "mine.json"):
        (tmp_path / name).write_text(json.dumps(BASE))
    files = str(tmp_path / "base.json"), str(tmp_path / "mine.json")
    with pytest.raises(ValueError, match=r"mine\.json already exists"):
        merge_corrections(files[0], [files[1]], files[1])
