"""Tests of ray_wssis.data.corrections."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ray_wssis import masks
from ray_wssis.data.coco import records_from_coco
from ray_wssis.data.corrections import Correction, Merged, merge_corrections, read_corrections
from ray_wssis.data.records import Records

Entry = dict[str, Any]

LEFT, MIDDLE, RIGHT = (
    masks.encode(np.arange(6) // 2 == column * np.ones((4, 1))) for column in range(3)
)


def rle(counts: bytes) -> Entry:
    return {"size": [4, 6], "counts": counts.decode()}


def pseudo(number: int, counts: bytes, image: int = 5) -> Entry:
    """A pseudo annotation of the class dog, with keys that only others know."""
    return {
        "id": number,
        "image_id": image,
        "category_id": 9,
        "iscrowd": 0,
        "point": [1.5, 0.25],
        "segmentation": rle(counts),
        "bbox": [0, 0, 2, 4],
        "area": 8,
        "expected_iou": 0.3,
        "flags": ["duplicate"],
        "pseudo": {"teacher": "0123456789ab", "point_id": number},
        "colour": {"of": [1e-7, None, "é"]},
    }


def coco(*annotations: Entry, **lists: list[Entry]) -> Entry:
    """Two 6 x 4 pictures with these annotations."""
    data = {
        "info": {"by": "somebody", "at": 0.1},
        "images": [
            {"id": i, "file_name": f"{i}.png", "width": 6, "height": 4, "flickr": "x"}
            for i in (5, 6)
        ],
        "annotations": list(annotations),
        "categories": [{"id": 9, "name": "dog", "supercategory": "pet"}, {"id": 2, "name": "cat"}],
        "licenses": [{"id": 1}],
    }
    return copy.deepcopy(data | lists)


POINT_KEYS = ("id", "image_id", "category_id", "point")
BASE = coco(pseudo(1, LEFT), pseudo(2, RIGHT), pseudo(3, LEFT, image=6))


def drawn(number: int, counts: bytes, image: int = 5, **more: Any) -> Entry:
    """What a person's annotation needs to have."""
    entry = {"id": number, "image_id": image, "category_id": 9, "segmentation": rle(counts)}
    return entry | more


def merged(folder: Path, *corrections: Entry, base: Entry = BASE) -> tuple[Merged, Entry]:
    files = []
    for i, data in enumerate([base, *corrections]):
        files.append(folder / f"{i}.json")
        files[-1].write_text(json.dumps(data))
    numbers = merge_corrections(str(files[0]), [str(x) for x in files[1:]], str(folder / "o.json"))
    return numbers, json.loads((folder / "o.json").read_text())


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


def test_a_broken_annotation_of_the_base_can_be_mended(tmp_path: Path) -> None:
    broken = coco({"id": 1, "image_id": 5, "category_id": 77, "segmentation": "?"})
    numbers, out = merged(tmp_path, coco(drawn(1, LEFT)), base=broken)
    assert numbers.corrected == 1
    assert out["annotations"][0]["segmentation"] == rle(LEFT)


def test_an_added_object_stays_in_its_picture(tmp_path: Path) -> None:
    complaint = r"2\.json: annotation 8: found in image 6, .* is in image 5"
    with pytest.raises(ValueError, match=complaint):
        merged(tmp_path, coco(drawn(8, LEFT)), coco(drawn(8, LEFT, image=6)))


def test_no_file_is_replaced(tmp_path: Path) -> None:
    for name in ("base.json", "mine.json"):
        (tmp_path / name).write_text(json.dumps(BASE))
    files = str(tmp_path / "base.json"), str(tmp_path / "mine.json")
    with pytest.raises(ValueError, match=r"mine\.json: is there already"):
        merge_corrections(files[0], [files[1]], files[1])


SMALL_RLE = {"size": [3, 6], "counts": masks.encode(np.ones((3, 6))).decode()}
EMPTY_RLE = rle(masks.encode(np.zeros((4, 6))))
WRONG = [
    (
        coco(drawn(1, LEFT, image=6)),
        "annotation 1: found in image 6, .* with this id is in image 5",
    ),
    (coco(drawn(1, LEFT), drawn(1, RIGHT)), "annotation 1: the id occurs twice"),
    (coco(drawn(8, LEFT, image=7)), "annotation 8: there is no image 7"),
    (
        coco(drawn(1, LEFT, category_id=3)),
        r"annotation 1 \(image 5\): .*no category 3.*known are 2",
    ),
    (coco(drawn(1, LEFT, segmentation=SMALL_RLE)), r"annotation 1 .*\[3, 6\].* is \[4, 6\]"),
    (coco(drawn(1, LEFT, segmentation=EMPTY_RLE)), "annotation 1 .*the mask is empty"),
    (coco(drawn(1, LEFT, segmentation=[])), "annotation 1 .*no segmentation"),
    (coco(drawn(1, LEFT, segmentation=[[1, 2, 3]])), "annotation 1 .*3 numbers"),
    (coco(categories=[{"id": 9, "name": "cat"}]), "category 9 is 'cat', in .* it is 'dog'"),
    (
        coco(drawn(1, LEFT), images=[{"id": 5, "file_name": "b/6.png"}]),
        r"image 5 is b/6\.png, in .*5\.png",
    ),
    (
        coco(drawn(1, LEFT), images=[{"id": 5, "file_name": "b/5.png", "width": 3, "height": 2}]),
        "image 5 is 3 x 2 pixels, in .* 6 x 4",
    ),
]


@pytest.mark.parametrize(("correction", "complaint"), WRONG)
def test_a_correction_of_something_else_is_named(
    tmp_path: Path, correction: Entry, complaint: str
) -> None:
    with pytest.raises(ValueError, match=rf"1\.json: {complaint}"):
        merged(tmp_path, correction)
    assert not (tmp_path / "o.json").exists()
    with pytest.raises(ValueError, match=rf"1\.json: {complaint}"):
        read_corrections([str(tmp_path / "1.json")], weak())


@pytest.mark.parametrize("key", ["id", "image_id"])
def test_an_annotation_without_numbers_is_named_with_its_file(tmp_path: Path, key: str) -> None:
    entry = drawn(1, LEFT)
    del entry[key]
    with pytest.raises(ValueError, match=rf"1\.json: .*annotation.*`{key}` is missing"):
        merged(tmp_path, coco(entry))
    with pytest.raises(ValueError, match=rf"1\.json: .*annotation.*`{key}` is missing"):
        read_corrections([str(tmp_path / "1.json")], weak())


def weak() -> Records:
    """The same pictures with points only, and one more that nobody corrects."""
    points = [{key: entry[key] for key in POINT_KEYS} for entry in BASE["annotations"]]
    more = {"id": 4, "file_name": "4.png", "width": 2, "height": 2}
    other = {"id": 9, "image_id": 4, "category_id": 2, "point": [1, 1]}
    data = coco(*points, other, images=[more, *BASE["images"]])
    return records_from_coco(data, "/pictures")


def test_corrections_of_weak_pictures_are_found_by_image_and_annotation(tmp_path: Path) -> None:
    earlier = coco(drawn(1, LEFT), drawn(2, LEFT), drawn(8, LEFT, image=6, category_id=2))
    later = coco(
        {"id": 2, "image_id": 5, "deleted": True},
        {"id": 10, "image_id": 5, "deleted": True},  # nobody knows of it
        drawn(1, MIDDLE, category_id=2, corrected=True),
    )
    files = []
    for i, data in enumerate([earlier, later]):
        files.append(str(tmp_path / f"{i}.json"))
        Path(files[-1]).write_text(json.dumps(data))
    found = read_corrections(files, weak())
    assert {image: [*numbers] for image, numbers in found.items()} == {5: [1, 2], 6: [8]}
    assert found[5][2].deleted and not found[5][1].deleted
    assert found[5][1] == Correction(image_id=5, label=0, mask=MIDDLE, crowd=False, confirmed=True)
    assert found[6][8] == Correction(image_id=6, label=0, mask=LEFT, crowd=False, confirmed=False)


def test_a_correction_knows_whether_it_says_anything_new() -> None:
    same = Correction(image_id=5, label=1, mask=LEFT, crowd=False, confirmed=False)
    assert not same.corrects(1, LEFT)
    assert same.corrects(0, LEFT) and same.corrects(1, RIGHT) and same.corrects(1, None)
    confirmed = Correction(image_id=5, label=1, mask=LEFT, crowd=False, confirmed=True)
    assert confirmed.corrects(1, LEFT)


def test_without_corrections_there_are_none() -> None:
    assert read_corrections([], weak()) == {}
