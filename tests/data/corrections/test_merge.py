"""Tests of ray_wssis.data.corrections.merge."""

import copy
import json
from pathlib import Path

import pytest

from ray_wssis.data.corrections.merge import Merged, merge_corrections
from tests.support.correction_files import (
    BASE,
    LEFT,
    MIDDLE,
    RIGHT,
    Entry,
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


def square(left: int, top: int = 10, side: int = 10) -> Entry:
    """An outline on a 64 x 48 image."""
    right, bottom = left + side, top + side
    return {"segmentation": [[left, top, right, top, right, bottom, left, bottom]]}


def large(*annotations: Entry) -> Entry:
    images = [{"id": 5, "file_name": "5.png", "width": 64, "height": 48}]
    return coco(
        *({"image_id": 5, "category_id": 9} | entry for entry in annotations), images=images
    )


NUMBERED = large({"id": 1001} | square(5), {"id": 1002, "category_id": 2} | square(30))


def test_an_added_object_that_exists_is_named_and_not_added(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    again = large({"id": 1} | square(6), {"id": 2, "category_id": 2} | square(31, 11))
    numbers, out = merged(tmp_path, again, base=NUMBERED)
    assert numbers == Merged(corrected=0, added=0, deleted=0, unchanged=2, refused=2)
    assert out == NUMBERED
    assert (
        "2 added objects lie on objects of their class, and are not added: annotation 1 on 1001, "
        "IoU 0.82; corrections keep the ids of the objects"
    ) in caplog.messages


@pytest.mark.parametrize(
    "new",
    [
        {"id": 1, "category_id": 2} | square(6),  # another class in the same place
        {"id": 1} | square(13),  # overlaps a little
        {"id": 1} | square(50),
    ],
)
def test_other_objects_are_added(tmp_path: Path, new: Entry) -> None:
    numbers, _ = merged(tmp_path, large(new), base=NUMBERED)
    assert (numbers.added, numbers.refused) == (1, 0)


def test_an_object_is_added_once(tmp_path: Path) -> None:
    first, second = large({"id": 1} | square(50)), large({"id": 7} | square(51))
    numbers, _ = merged(tmp_path, first, second, base=NUMBERED)
    assert (numbers.added, numbers.refused) == (1, 1)


def test_an_object_may_replace_one_that_is_deleted(tmp_path: Path) -> None:
    fixes = large({"id": 1001, "deleted": True}, {"id": 1} | square(6))
    numbers, _ = merged(tmp_path, fixes, base=NUMBERED)
    assert (numbers.added, numbers.deleted, numbers.refused) == (1, 1, 0)


def test_corrections_in_the_place_of_others_are_named_and_not_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    swapped = large({"id": 1002} | square(6), {"id": 1001, "category_id": 2} | square(31))
    numbers, out = merged(tmp_path, swapped, base=NUMBERED)
    assert numbers == Merged(corrected=0, added=0, deleted=0, unchanged=2, refused=2)
    assert out == NUMBERED
    assert "annotation 1002 on 1001, IoU 0.82; has a tool numbered" in caplog.text


def test_a_correction_somewhere_else_is_taken_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    numbers, _ = merged(tmp_path, large({"id": 1001} | square(50)), base=NUMBERED)
    assert (numbers.corrected, numbers.refused) == (1, 0)
    assert "1 corrections do not touch the object with their id" in caplog.text


def test_a_correction_may_be_anywhere_near(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    numbers, _ = merged(tmp_path, large({"id": 1001} | square(13)), base=NUMBERED)
    assert numbers.corrected == 1 and not caplog.messages


@pytest.mark.parametrize("value", [True, 1, 1.0, "true", "True", "1"])
def test_deleted_is_understood_in_every_spelling(tmp_path: Path, value: object) -> None:
    numbers, _ = merged(tmp_path, large({"id": 1001, "deleted": value}), base=NUMBERED)
    assert numbers == Merged(corrected=0, added=0, deleted=1, unchanged=1)


@pytest.mark.parametrize("value", [False, 0, "false", "0", None])
def test_not_deleted_is_understood_in_every_spelling(tmp_path: Path, value: object) -> None:
    same = NUMBERED["annotations"][0] | {"deleted": value}
    numbers, _ = merged(tmp_path, large(same), base=NUMBERED)
    assert numbers == Merged(corrected=0, added=0, deleted=0, unchanged=2)


@pytest.mark.parametrize("key", ["deleted", "corrected", "iscrowd"])
@pytest.mark.parametrize("value", ["yes", 2, [], "maybe"])
def test_other_truths_are_refused(tmp_path: Path, key: str, value: object) -> None:
    same = NUMBERED["annotations"][0] | {key: value}
    with pytest.raises(ValueError, match=rf"1\.json: annotation 1001 .*`{key}` is "):
        merged(tmp_path, large(same), base=NUMBERED)


def test_what_is_to_be_deleted_and_is_not_there_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    numbers, _ = merged(tmp_path, large({"id": 3, "deleted": True}), base=NUMBERED)
    assert numbers.deleted == 0
    assert "1 annotations to delete are not in" in caplog.text


@pytest.mark.parametrize("was", [1, "1", True])
@pytest.mark.parametrize("now", [0, "0", False])
def test_a_crowd_that_is_an_object_is_a_correction(
    tmp_path: Path, was: object, now: object
) -> None:
    base = large({"id": 1, "iscrowd": was} | square(5))
    numbers, out = merged(tmp_path, large({"id": 1, "iscrowd": now} | square(5)), base=base)
    assert numbers == Merged(corrected=1, added=0, deleted=0, unchanged=0)
    assert out["annotations"][0]["iscrowd"] == 0


def test_a_poor_pseudo_mask_that_nobody_touched_stays_ignored(tmp_path: Path) -> None:
    """The file to review says 0 of every mask."""
    base = coco(pseudo(1, LEFT) | {"iscrowd": 1})
    numbers, out = merged(tmp_path, coco(pseudo(1, LEFT)), base=base)
    assert numbers.unchanged == 1 and out == base


@pytest.mark.parametrize("number", [1, 8])
def test_a_drawn_mask_is_an_object_whatever_the_tool_says(tmp_path: Path, number: int) -> None:
    numbers, out = merged(tmp_path, coco(drawn(number, MIDDLE, iscrowd=1)))
    assert numbers.corrected + numbers.added == 1
    (entry,) = [entry for entry in out["annotations"] if entry["id"] == number]
    assert (entry["iscrowd"], entry["segmentation"]) == (0, rle(MIDDLE))


def test_an_untouched_mask_that_comes_back_as_a_crowd_stays_an_object(tmp_path: Path) -> None:
    numbers, out = merged(tmp_path, coco(drawn(1, LEFT, iscrowd=1)))
    assert numbers.unchanged == 3 and out == BASE


def test_a_person_can_say_that_a_mask_is_a_crowd(tmp_path: Path) -> None:
    _, out = merged(tmp_path, coco(drawn(1, MIDDLE, iscrowd=1, corrected=True)))
    assert out["annotations"][0]["iscrowd"] == 1


@pytest.mark.parametrize("name", ["x\\5.png", "1f2e3d4c-5.png", "5", "./5.PNG"])
def test_tools_may_spell_the_names_of_images_differently(tmp_path: Path, name: str) -> None:
    images = [{"id": 5, "file_name": name, "width": 6.0, "height": 4}]
    numbers, _ = merged(tmp_path, coco(drawn(1, MIDDLE), images=images))
    assert numbers.corrected == 1


def test_an_added_mask_on_a_point_without_one_is_that_object(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    base = large({"id": 1001, "point": [10.5, 15.5]})
    numbers, out = merged(tmp_path, large({"id": 1} | square(5)), base=base)
    assert (numbers.refused, out) == (1, base)
    assert "annotation 1 on the point of 1001" in caplog.text


def test_an_added_mask_in_the_place_of_another_class_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    numbers, _ = merged(tmp_path, large({"id": 1, "category_id": 2} | square(5)), base=NUMBERED)
    assert (numbers.added, numbers.refused) == (1, 0)
    assert "1 added objects lie on objects of another class" in caplog.text
