"""Tests of ray_wssis.data.imports.csv_points."""

from pathlib import Path

from tests.support.exports import imported, points


def test_points_of_one_object_stay_together(folder: Path) -> None:
    table = (
        "image,x,y,class,object,positive\n"
        "a.png,5,5,cat,1,0\na.png,6,6,cat,1,1\na.png,7,7,cat,1,\n"  # the first one is off it
        "a.png,8,8,dog,1,1\na.png,9,9,cat,,\n"
    )
    (record,) = imported(folder, "points.csv", table).records
    assert [obj.point for obj in record.objects] == [(6, 6), (8, 8), (9, 9)]
    assert [obj.clicks for obj in record.objects] == [((7, 7, True), (5, 5, False)), (), ()]


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
            f"none.png: there is no such file under {folder}/images",
            "check --images, or the name",
        ),
        "line 9 ()": ("image: Field required", fields),
    }
    assert {problem.severity for problem in found.problems} == {"warning"}
