"""Tests of ray_wssis.data.imports.points and ray_wssis.data.imports.tools.

In golden/ there is what tools wrote: label_studio_export.json came out of Label Studio 1.23.2 (its
export `JSON`), labelme/ out of the LabelFile of LabelMe 6.3.1, without the pictures in it.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image
from upath import UPath

from ray_wssis.data.imports.points import Imported, import_points

GOLDEN = Path(__file__).parent / "golden"
CLASSES = [{"id": 7, "name": "cat"}, {"id": 9, "name": "dog"}]
CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><name>image</name></task></meta>{}</annotations>"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures a.png (40 x 30) and sub/b.png (30 x 40) in images, and classes.json."""
    (tmp_path / "images/sub").mkdir(parents=True)
    Image.new("L", (40, 30)).save(tmp_path / "images/a.png")
    Image.new("L", (30, 40)).save(tmp_path / "images/sub/b.png")
    classes = {"images": [], "annotations": [], "categories": CLASSES}
    (tmp_path / "classes.json").write_text(json.dumps(classes))
    return tmp_path


def imported(folder: Path, name: str, content: Any, **options: Any) -> Imported:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    export = folder / (name.partition("/")[0])
    classes, images = folder / "classes.json", folder / "images"
    return import_points(str(export), classes=str(classes), images=str(images), **options)


def points(found: Imported) -> list[tuple[Any, ...]]:
    """File, class and place of each object."""
    names = [category.name for category in found.records.categories]
    return [
        (record.file, names[obj.label], *obj.point)
        for record in found.records
        for obj in record.objects
        if obj.point is not None
    ]


def findings(found: Imported) -> list[tuple[str, str]]:
    return [(problem.kind, problem.where) for problem in found.problems]


def cvat(*images: str) -> str:
    return CVAT.format("".join(images))


def cvat_image(shapes: str, name: str = "a.png", size: str = 'width="40" height="30"') -> str:
    return f'<image id="0" name="{name}" {size}>{shapes}</image>'


def task(*regions: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A task of Label Studio with one annotation."""
    marks = {"id": 5, "was_cancelled": False, "updated_at": "2026-01-02", "result": list(regions)}
    return {"id": 1, "data": {"image": "/data/upload/3/a.png"}, "annotations": [marks]} | more


def key_point(x: float, y: float, **more: Any) -> dict[str, Any]:
    return {
        "id": "k",
        "type": "keypointlabels",
        "original_width": 40,
        "original_height": 30,
        "image_rotation": 0,
        "value": {"x": x, "y": y, "width": 0.5, "keypointlabels": ["cat"]},
    } | more


def labelme(*shapes: dict[str, Any], path: str = "a.png") -> dict[str, Any]:
    return {"imagePath": path, "imageWidth": 40, "imageHeight": 30, "shapes": list(shapes)}


def shape(x: float, y: float, **more: Any) -> dict[str, Any]:
    return {"label": "cat", "shape_type": "point", "points": [[x, y]], "group_id": None} | more


TWO = {
    "points.csv": "y,x,class,image\n20.25,10.5,cat,a.png\n2,31,dog,a.png\n",
    "annotations.xml": cvat(
        cvat_image(
            '<points label="cat" source="manual" occluded="0" points="10.50,20.25" z_order="0">'
            '</points><points label="dog" occluded="0" points="31.00,2.00" z_order="0"/>'
        )
    ),
    "labels/a.json": labelme(shape(10.5, 20.25), shape(31, 2, label="dog")),
    "export.json": [
        task(
            key_point(26.25, 67.5),
            key_point(
                77.5, 100 * 2 / 30, value={"x": 77.5, "y": 20 / 3, "keypointlabels": ["dog"]}
            ),
        )
    ],
}


@pytest.mark.parametrize("name", TWO)
def test_every_format_is_recognised_and_read(folder: Path, name: str) -> None:
    found = imported(folder, name, TWO[name])
    assert found.problems == [] and found.num_left_out == 0
    assert points(found) == [
        ("a.png", "cat", 10.5, 20.25),
        ("a.png", "dog", 31, pytest.approx(2)),
    ]
    (record,) = found.records
    assert (record.width, record.height) == (40, 30)
    assert [obj.annotation_id for obj in record.objects] == [1, 2]
    assert [category.id for category in found.records.categories] == [7, 9]


def test_an_export_of_label_studio_itself(folder: Path) -> None:
    for name in ("p/a.png", "p/b.png", "p/c.png", "upload/1/a8f2fd64-d_e.png"):
        file = folder / "images" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", {"a": (40, 30), "b": (30, 40)}.get(file.stem, (64, 64))).save(file)
    export = (GOLDEN / "label_studio_export.json").read_text()
    found = imported(folder, "export.json", export)
    assert points(found) == [
        ("p/a.png", "cat", 10.5, 20.25),
        ("p/a.png", "dog", 31, pytest.approx(2)),
        ("p/b.png", "cat", 15, 20),
        ("upload/1/a8f2fd64-d_e.png", "dog", pytest.approx(0.995 * 64), 32),
    ]
    assert findings(found) == [
        ("no point on it", "task 2, region k5"),  # a click off an object that nobody names
        ("cancelled annotation", "task 2, annotation 2"),
        ("older annotation", "task 4, annotation 6"),
    ]
    assert (found.num_left_out, found.others) == (1, {"polygonlabels": 2})


def test_files_of_labelme_itself(folder: Path) -> None:
    """turned.jpg is 400 x 300, and shown as 300 x 400: so does LabelMe."""
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    Image.new("L", (400, 300)).save(folder / "images/turned.jpg", exif=turned)
    Image.new("L", (40, 30)).save(folder / "images/sub/plain.png")
    found = import_points(
        str(GOLDEN / "labelme"),
        classes=str(folder / "classes.json"),
        images=str(folder / "images"),
    )
    assert points(found) == [
        ("sub/plain.png", "dog", 39.99, 29.9),
        ("turned.jpg", "cat", 250.5, 390.25),
        ("turned.jpg", "cat", 10, 20),
    ]
    assert [click[:2] for obj in found.records[1].objects for click in obj.clicks] == [(30, 20)]
    assert findings(found) == [
        ("point outside the picture", "plain.json, shape 1"),
        ("unknown class 'Cat'", "turned.json, shape 3"),
    ]
    assert found.others == {"polygon": 1, "circle": 1}


def test_points_of_one_object_stay_together(folder: Path) -> None:
    table = (
        "image,x,y,class,object,positive\n"
        "a.png,5,5,cat,1,0\na.png,6,6,cat,1,1\na.png,7,7,cat,1,\n"  # the first one is off it
        "a.png,8,8,dog,1,1\na.png,9,9,cat,,\n"
    )
    (record,) = imported(folder, "points.csv", table).records
    assert [obj.point for obj in record.objects] == [(6, 6), (8, 8), (9, 9)]
    assert [obj.clicks for obj in record.objects] == [((7, 7, True), (5, 5, False)), (), ()]


def test_cvat_points_of_a_shape_are_objects_and_those_of_a_group_are_one(folder: Path) -> None:
    shapes = (
        '<points label="cat" points="1,1;2,2"/>'
        '<points label="dog" points="3,3;4,4" group_id="1"/><points label="dog" points="5,5" '
        'group_id="1"/><skeleton label="dog"><points label="cat" points="6,6"/></skeleton>'
    )
    found = imported(folder, "a.xml", cvat(cvat_image(shapes)))
    assert [point[2] for point in points(found)] == [1, 2, 3]
    assert [click.x for click in found.records[0].objects[2].clicks] == [4, 5]
    assert found.others == {"skeleton": 1}


def test_what_cannot_be_used_is_listed_and_the_rest_is_not_lost(folder: Path) -> None:
    table = (
        "image,x,y,class\na.png,1,1,cat\na.png,40,1,cat\na.png,1,one,cat\na.png,,,cat\n"
        "a.png,1,1,Cat\na.png,1,1,zebra\nnone.png,1,1,cat\n,1,1,cat\na.png,2,2,dog\n"
    )
    found = imported(folder, "points.csv", table)
    assert [point[2] for point in points(found)] == [1, 2]
    found_and_wanted = {
        problem.where: (problem.found, problem.wanted) for problem in found.problems
    }
    fields = "an entry with image, class, x, y, object, positive"
    assert found_and_wanted == {
        "line 3 (a.png)": (
            "the point (40, 1) is outside the 40 x 30 image",
            "0 <= x < 40 and 0 <= y < 30",
        ),
        "line 4 (a.png)": (
            "y: Input should be a valid number, unable to parse string as a number",
            fields,
        ),
        "line 5 (a.png)": ("x: Field required", fields),
        "line 6 (a.png)": ("the class 'Cat'", "did you mean 'cat'?"),
        "line 7 (a.png)": ("the class 'zebra'", "one of 2 classes (7 cat, 9 dog)"),
        "none.png": (
            f"none.png: there is no such picture under {folder}/images",
            "check --images, or the name",
        ),
        "line 9 ()": ("image: Field required", fields),
    }
    assert {problem.severity for problem in found.problems} == {"warning"}


def test_a_broken_file_of_labelme_does_not_lose_the_others(folder: Path) -> None:
    (folder / "labels").mkdir()
    (folder / "labels/0.json").write_text('{"shapes": [')
    (folder / "labels/1.json").write_text('{"images": []}')
    (folder / "labels/2.json").write_bytes(b"\xff\xfe")
    found = imported(folder, "labels/a.json", labelme(shape(1, 1), shape(2, 2, points=[])))
    assert points(found) == [("a.png", "cat", 1, 1)]
    assert findings(found) == [
        ("unreadable file", "0.json"),
        ("malformed entry", "1.json"),
        ("unreadable file", "2.json"),
        ("malformed entry", "a.json, shape 1"),
    ]


@pytest.mark.parametrize("text", ["", "1", "1,2,3", "1,2;", "a,b"])
def test_a_cvat_shape_without_places_is_listed(folder: Path, text: str) -> None:
    shapes = f'<points label="cat" points="{text}"/><points label="cat" points="1,1"/>'
    found = imported(folder, "a.xml", cvat(cvat_image(shapes)))
    assert findings(found) == [("malformed point", "image a.png, shape 0")]
    assert len(points(found)) == 1


@pytest.mark.parametrize(
    ("region", "kind"),
    [
        (key_point(1, 1, value={"x": 1, "keypointlabels": ["cat"]}), "malformed entry"),
        (key_point(1, 1, type="keypoint", value={"x": 1, "y": 1}), "malformed entry"),
        (
            key_point(1, 1, value={"x": 1, "y": 1, "keypointlabels": ["cat", "dog"]}),
            "malformed entry",
        ),
        (key_point(1, 1, image_rotation=90), "turned picture"),
        (key_point(100, 1), "point outside the picture"),
    ],
)
def test_a_key_point_that_cannot_be_used_is_listed(
    folder: Path, region: dict[str, Any], kind: str
) -> None:
    found = imported(folder, "a.json", [task(key_point(50, 50), region | {"id": "bad"})])
    assert findings(found) == [(kind, "task 1, region bad")]
    assert points(found) == [("a.png", "cat", 20, 15)]


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({"image": "/data/local-files/?d=sub/b.png"}, "sub/b.png"),
        ({"image": "s3://bucket/some/sub/b.png", "text": "x"}, "sub/b.png"),
        ({"photo": "https://host/sub%2Fb.png?token=1&x=2", "number": 3}, "sub/b.png"),
        ({"photo": "sub/b.png", "text": "x"}, None),
        ({}, None),
    ],
)
def test_names_of_label_studio(folder: Path, data: dict[str, Any], name: str | None) -> None:
    region = key_point(50, 50, original_width=30, original_height=40)
    found = imported(folder, "a.json", [task(region, data=data)])
    assert [point[0] for point in points(found)] == ([name] if name else [])
    assert findings(found) == ([] if name else [("task without picture", "task 1")])


@pytest.mark.parametrize(
    "path", ["..\\images\\sub\\b.png", "b.png", "C:\\x\\sub\\b.png", "/sub/b.png"]
)
def test_labelme_names_are_relative_to_their_files(folder: Path, path: str) -> None:
    (folder / "labels/sub").mkdir(parents=True)
    content = labelme(shape(1, 1), path=path) | {"imageWidth": 30, "imageHeight": 40}
    (folder / "labels/sub/b.json").write_text(json.dumps(content))
    found = imported(folder, "labels/a.json", labelme())
    assert points(found) == [("sub/b.png", "cat", 1, 1)]


def test_points_for_a_picture_of_another_size_are_not_taken(folder: Path) -> None:
    shapes = '<points label="cat" points="1,1"/>'
    sizes = ['width="30" height="40"', 'width="80" height="60"', 'width="40" height="30"']
    for size in sizes[:2]:
        found = imported(folder, "a.xml", cvat(cvat_image(shapes, size=size)))
        assert findings(found) == [("picture", "image a.png")] and not points(found)
        assert "its annotations are for" in found.problems[0].found
    assert points(imported(folder, "a.xml", cvat(cvat_image(shapes, size=sizes[2]))))


def test_no_picture_is_taken_twice(folder: Path) -> None:
    shapes = '<points label="cat" points="1,1"/>'
    subsets = [f'subset="{name}" width="40" height="30"' for name in ("train", "val")]
    found = imported(folder, "a.xml", cvat(*(cvat_image(shapes, size=each) for each in subsets)))
    assert points(found) == [("a.png", "cat", 1, 1)]
    assert findings(found) == [("picture used twice", "image val/a.png")]
    assert found.num_left_out == 1


def test_pictures_without_points_are_kept_out_and_counted(folder: Path) -> None:
    box = '<box label="cat" xtl="1.00" ytl="1.00" xbr="2.00" ybr="2.00"/>'
    shapes = '<points label="cat" points="1,1"/>'
    images = cvat_image(shapes), cvat_image(box, name="sub/b.png"), cvat_image("", name="gone.png")
    found = imported(folder, "a.xml", cvat(*images))
    assert [record.file for record in found.records] == ["a.png"]
    assert (found.num_left_out, found.others, found.problems) == (2, {"box": 1}, [])


def test_pixel_indices_are_moved_to_the_middle(folder: Path) -> None:
    found = imported(
        folder, "p.csv", "image,x,y,class\na.png,0,29,cat\na.png,40,0,cat\n", pixel_indices=True
    )
    assert points(found) == [("a.png", "cat", 0.5, 29.5)]
    assert len(found.problems) == 1


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.csv", "image;x;y;class\n", "no column class, image, x, y"),
        ("a.csv", "", "no column"),
        ("a.xml", "<annotations>", "no element found"),
        ("a.xml", "<annotations><track/></annotations>", "CVAT for images 1.1"),
        ("a.json", "[", "Expecting value"),
        ("a.json", {"shapes": []}, "export `JSON`"),
        ("a.json", [{"id": 1, "kp": []}, 3], "not `JSON-MIN`"),
        ("a.zip", "PK", "Unpack an archive"),
        ("labels/a.txt", "", "no JSON file in the folder"),
    ],
)
def test_an_export_that_cannot_be_understood_is_an_error(
    folder: Path, name: str, content: Any, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        imported(folder, name, content)


def test_the_format_can_be_given(folder: Path) -> None:
    found = imported(folder, "points.txt", TWO["points.csv"], export_format="csv")
    assert len(points(found)) == 2
    with pytest.raises(ValueError, match="no such file or folder"):
        import_points(str(folder / "none.csv"), classes="", images="")


def test_everything_may_be_on_a_bucket(folder: Path) -> None:
    bucket = UPath("memory://import")
    for file in folder.rglob("*.*"):
        (bucket / file.relative_to(folder).as_posix()).write_bytes(file.read_bytes())
    (bucket / "labels/a.json").write_text(json.dumps(TWO["labels/a.json"]))
    found = import_points(
        "memory://import/labels",
        classes="memory://import/classes.json",
        images="memory://import/images",
    )
    assert [point[0] for point in points(found)] == ["a.png", "a.png"]
