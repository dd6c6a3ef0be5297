"""Tests of ray_wssis.data.fix.coco, .fix_ids and .fix_values."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ray_wssis.data.check.coco import check_file
from ray_wssis.data.coco.read import read_coco
from ray_wssis.data.fix.coco import Fixed, fix_file
from tests.support.drawn_objects import HEIGHT, WIDTH, drawn

Data = dict[str, Any]


def fix(folder: Path, data: Any, images: str | None = None) -> tuple[Fixed, Data]:
    """Fix a file, see that the input is as it was, and return what was written."""
    source, out = folder / "in.json", folder / "out.json"
    source.write_text(json.dumps(data))
    before = source.read_bytes()
    fixed = fix_file(str(source), str(out), images)
    assert source.read_bytes() == before
    return fixed, json.loads(out.read_text())


def texts(entries: list[Data]) -> list[Data]:
    return [
        {k: str(v) if isinstance(v, int) and k != "area" else v for k, v in entry.items()}
        for entry in entries
    ]


def number_of_polygon(entry: Data) -> list[float]:
    (flat,) = entry["segmentation"]
    return list(flat)


def pairs(entry: Data) -> list[list[float]]:
    flat = number_of_polygon(entry)
    return [flat[i : i + 2] for i in range(0, len(flat), 2)]


def without(entry: Data, key: str) -> Data:
    return {k: v for k, v in entry.items() if k != key}


GOOD = drawn()
ANNOTATIONS = GOOD["annotations"]
URL = "http://images.cocodataset.org/train2017/"

CASES: list[tuple[str, Data, list[tuple[str, int]]]] = [
    ("nothing", GOOD, []),
    (
        "text ids",
        {name: texts(entries) for name, entries in GOOD.items()},
        [("numbers as text", 4 * 3 + 8 * 3 + 2)],
    ),
    (
        "text floats",
        GOOD | {"annotations": [x | {"id": f"{x['id']}.0"} for x in ANNOTATIONS]},
        [("numbers as text", 8)],
    ),
    (
        "text boxes",
        GOOD | {"annotations": [x | {"bbox": [str(v) for v in x["bbox"]]} for x in ANNOTATIONS]},
        [("numbers as text", 8)],
    ),
    (
        "pairs",
        GOOD | {"annotations": [x | {"segmentation": pairs(x)} for x in ANNOTATIONS]},
        [("outlines in another form", 8)],
    ),
    (
        "nested pairs",
        GOOD | {"annotations": [x | {"segmentation": [pairs(x)]} for x in ANNOTATIONS]},
        [("outlines in another form", 8)],
    ),
    (
        "flat",
        GOOD | {"annotations": [x | {"segmentation": number_of_polygon(x)} for x in ANNOTATIONS]},
        [("outlines in another form", 8)],
    ),
    (
        "text corners",
        GOOD
        | {
            "annotations": [
                x | {"segmentation": [[str(v) for v in number_of_polygon(x)]]} for x in ANNOTATIONS
            ]
        },
        [("outlines in another form", 8)],
    ),
    (
        "a mapping",
        GOOD | {"annotations": {str(x["id"]): without(x, "id") for x in ANNOTATIONS}},
        [("`annotations` is a mapping", 8), ("numbers as text", 8)],
    ),
    (
        "a mapping by image",
        GOOD
        | {
            "annotations": {
                str(i): [without(x, "image_id") for x in ANNOTATIONS if x["image_id"] == i]
                for i in range(1, 5)
            }
        },
        [("`annotations` is a mapping", 4), ("numbers as text", 8)],
    ),
    (
        "names by id",
        GOOD | {"categories": {"1": "dog", "2": "cat"}},
        [("`categories` is a mapping", 2), ("numbers as text", 2)],
    ),
    (
        "ids by name",
        GOOD | {"categories": {"dog": 1, "cat": 2}},
        [("`categories` is a mapping", 2)],
    ),
    (
        "names only",
        GOOD | {"categories": ["dog", "cat"]},
        [("categories that are only names", 2)],
    ),
    (
        "crowds",
        GOOD
        | {
            "annotations": [
                x | {"iscrowd": crowd}
                for x, crowd in zip(
                    ANNOTATIONS, ["0", "false", False, None, 0.0, 0, "False", " 0 "], strict=True
                )
            ]
        },
        [("`iscrowd` that is no number", 7)],
    ),
    (
        "no names",
        GOOD
        | {
            "images": [
                without(x, "file_name") | {"coco_url": URL + x["file_name"]} for x in GOOD["images"]
            ]
        },
        [("no `file_name`", 4)],
    ),
    (
        "doubles",
        GOOD | {"annotations": [*ANNOTATIONS, ANNOTATIONS[0]], "images": GOOD["images"] * 2},
        [
            ("images that are there twice, with the same id", 4),
            ("annotations that are there twice, with the same id", 1),
        ],
    ),
    (
        "ids from 1 for each image",
        GOOD | {"annotations": [x | {"id": 1 + x["id"] % 2} for x in ANNOTATIONS]},
        [("double ids of annotations", 6)],
    ),
    (
        "no ids",
        GOOD | {"annotations": [without(x, "id") for x in ANNOTATIONS]},
        [("annotations without a whole number as id", 8)],
    ),
    (
        "0-based classes",
        GOOD | {"annotations": [x | {"category_id": x["category_id"] - 1} for x in ANNOTATIONS]},
        [("category ids off by one: from 0 in annotations, from 1 in categories", 8)],
    ),
    (
        "classes by name",
        GOOD
        | {
            "annotations": [
                x | {"category_id": ["dog", "cat"][x["category_id"] - 1]} for x in ANNOTATIONS
            ]
        },
        [("annotations whose `category_id` is no whole number", 8)],
    ),
    (
        "names as ids of images",
        GOOD
        | {
            "images": [x | {"id": x["file_name"]} for x in GOOD["images"]],
            "annotations": [x | {"image_id": f"{x['image_id'] - 1}.png"} for x in ANNOTATIONS],
        },
        [
            ("images without a whole number as id", 4),
            ("annotations whose `image_id` is no whole number", 8),
        ],
    ),
]


@pytest.mark.parametrize(
    ("data", "fixes"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_is_fixed_is_counted_and_the_file_is_good(
    tmp_path: Path, data: Data, fixes: list[tuple[str, int]]
) -> None:
    fixed, written = fix(tmp_path, data)
    assert [(each.cause, each.number) for each in fixed.fixes] == fixes
    assert fixed.left == []
    assert check_file(str(tmp_path / "out.json")) == []
    expected = read_coco(write(tmp_path / "good.json", GOOD), "")
    for old, new in zip(expected, read_coco(str(tmp_path / "out.json"), ""), strict=True):
        assert (old.image_id, old.file, old.width) == (new.image_id, new.file, new.width)
        assert [(x.label, x.mask) for x in old.objects] == [(x.label, x.mask) for x in new.objects]
    again, rewritten = fix(folder_in(tmp_path), written)
    assert again.fixes == [] and rewritten == written


def folder_in(folder: Path) -> Path:
    (folder / "again").mkdir()
    return folder / "again"


def write(file: Path, data: Data) -> str:
    file.write_text(json.dumps(data))
    return str(file)


@pytest.mark.parametrize("size", [{"width": -1, "height": -1}, {"width": 0}, {"height": None}, {}])
def test_missing_sizes_are_read_from_the_images(tmp_path: Path, size: Data) -> None:
    for image in GOOD["images"]:
        pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / image["file_name"])
    bare = {"id": 2, "file_name": "1.png"} | size
    data = GOOD | {"images": [bare if x["id"] == 2 else x for x in GOOD["images"]]}
    (tmp_path / "without").mkdir()
    fixed, _ = fix(tmp_path / "without", data)
    assert fixed.fixes == [] and len(fixed.left) == 1
    assert "--images FOLDER" in fixed.left[0].wanted
    fixed, written = fix(tmp_path, data, str(tmp_path))
    assert [(each.cause, each.number) for each in fixed.fixes] == [("images without size", 1)]
    assert fixed.left == []
    assert (written["images"][1]["width"], written["images"][1]["height"]) == (WIDTH, HEIGHT)


def in_fractions(values: list[float]) -> list[float]:
    return [value / (HEIGHT if i % 2 else WIDTH) for i, value in enumerate(values)]


def test_fractions_become_pixels_where_all_of_a_kind_are_fractions(tmp_path: Path) -> None:
    def change(entry: Data) -> Data:
        outline = in_fractions(number_of_polygon(entry))
        return {"segmentation": [outline], "bbox": in_fractions(entry["bbox"])}

    fixed, written = fix(tmp_path, drawn(change))
    assert [(each.cause, each.number) for each in fixed.fixes] == [
        ("`segmentation` in fractions", 8),
        ("`bbox` in fractions", 8),
    ]
    assert fixed.left == [] and check_file(str(tmp_path / "out.json")) == []
    for old, new in zip(ANNOTATIONS, written["annotations"], strict=True):
        assert new["bbox"] == pytest.approx(old["bbox"])
        assert new["segmentation"][0] == pytest.approx(old["segmentation"][0])


def test_points_in_fractions_become_pixels(tmp_path: Path) -> None:
    points: Data = {"segmentation": [], "bbox": None, "area": None}
    fractions = {"point": [0.25, 0.5]}
    fixed, written = fix(tmp_path, drawn(lambda entry: points | fractions))
    assert [(each.cause, each.number) for each in fixed.fixes] == [("`point` in fractions", 8)]
    assert written["annotations"][0]["point"] == [16, 24]


def test_boxes_of_zeros_are_no_fractions(tmp_path: Path) -> None:
    fixed, _ = fix(tmp_path, drawn(lambda entry: {"bbox": [0, 0, 0, 0]}))
    assert fixed.fixes == []


def test_fractions_among_pixels_stay_and_are_named(tmp_path: Path) -> None:
    outline = {"segmentation": [[0.1, 0.2, 0.3, 0.2, 0.3, 0.6]]}
    fixed, _ = fix(tmp_path, drawn(lambda entry: outline if entry["id"] < 5 else {}))
    assert fixed.fixes == []
    assert [problem.kind for problem in fixed.left] == ["outlines in fractions"]


def test_what_is_ambiguous_stays_and_is_named(tmp_path: Path) -> None:
    images = [*GOOD["images"], GOOD["images"][0] | {"file_name": "other.png"}]
    odd = [{"iscrowd": "maybe"}, {"segmentation": "abc"}, {"segmentation": [[1, 2, 3]]}]
    annotations = [x | y for x, y in zip(ANNOTATIONS, odd, strict=False)] + ANNOTATIONS[3:]
    fixed, written = fix(tmp_path, GOOD | {"images": images, "annotations": annotations})
    assert fixed.fixes == []
    assert written == GOOD | {"images": images, "annotations": annotations}
    assert {problem.kind for problem in fixed.left} == {
        "duplicate id",
        "malformed entry",
        "malformed mask",
    }


def test_everything_else_is_kept(tmp_path: Path) -> None:
    data = GOOD | {"info": {"year": 2017}, "licenses": []}
    data["annotations"] = [x | {"id": str(x["id"]), "attributes": {"a": "1"}} for x in ANNOTATIONS]
    _, written = fix(tmp_path, data)
    assert (written["info"], written["licenses"]) == ({"year": 2017}, [])
    assert written["annotations"][0]["attributes"] == {"a": "1"}


def test_no_file_is_replaced(tmp_path: Path) -> None:
    source = write(tmp_path / "a.json", GOOD)
    with pytest.raises(ValueError, match="is the input, which is never changed"):
        fix_file(source, str(tmp_path / "." / "a.json"))
    other = write(tmp_path / "b.json", GOOD)
    with pytest.raises(ValueError, match="already exists and is not replaced"):
        fix_file(source, other)
    with pytest.raises(ValueError, match="there is no such annotation file"):
        fix_file(str(tmp_path / "c.json"), str(tmp_path / "d.json"))
    with pytest.raises(ValueError, match="`categories` is missing"):
        fix_file(write(tmp_path / "e.json", without(GOOD, "categories")), str(tmp_path / "d.json"))
    assert not (tmp_path / "d.json").exists()
