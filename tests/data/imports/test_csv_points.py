"""Tests of ray_wssis.data.imports.csv_points."""

from pathlib import Path

import pytest

from tests.support.exports import findings, imported, points


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


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("a.png,0.25,0.5,cat\nsub/b.png,0.75,0.2,dog\n", [(10, 15), (22.5, 8)]),
        ("a.png,0.5,0.5,cat\n", [(20, 15)]),
        ("a.png,0,0.1,cat\na.png,1,0.1,cat\n", [(0, 3)]),  # 1.0 is beyond the last pixel
    ],
)
def test_coordinates_between_0_and_1_are_fractions(
    folder: Path, table: str, expected: list[tuple[float, float]]
) -> None:
    found = imported(folder, "points.csv", "image,x,y,class\n" + table)
    assert [place for *_, x, y in points(found) for place in [(x, y)]] == expected
    assert "are read as fractions" in found.problems[-1].found


def test_a_table_with_pixels_too_names_the_fractions(folder: Path) -> None:
    table = "image,x,y,class\na.png,12,5,cat\na.png,0.25,0.5,cat\n"
    found = imported(folder, "points.csv", table)
    assert [point[2] for point in points(found)] == [12, 0.25]
    assert findings(found) == [("points in the top left pixel", "line 3 (a.png)")]


@pytest.mark.parametrize("table", ["a.png,1,1,cat\n", "a.png,0,1,cat\na.png,1,0,dog\n"])
def test_whole_numbers_are_pixels(folder: Path, table: str) -> None:
    assert not imported(folder, "points.csv", "image,x,y,class\n" + table).problems


@pytest.mark.parametrize(
    "table",
    [
        "image,class,x,y\na.png,cat,1,2\na.png,cat,12,5,30,1\n",
        "image,x,y,class\na.png,1,2,cat\na.png,12,5,30,1,cat\n",
        "image,x,y,class\na.png,1,2,cat\na.png,1,2,cat,,more\n",
        "image,x,y,class\n\na.png,1,2,cat,dog\n",
    ],
)
def test_more_fields_than_columns_are_an_error_that_names_the_line(
    folder: Path, table: str
) -> None:
    with pytest.raises(ValueError, match=r"line 3 has more fields .*\(1 such lines\)"):
        imported(folder, "points.csv", table)


def test_a_comma_at_the_end_is_no_field(folder: Path) -> None:
    found = imported(folder, "points.csv", "image,x,y,class\na.png,1,2,cat,\na.png,3,4,cat,,\n")
    assert len(points(found)) == 2 and not found.problems


@pytest.mark.parametrize(
    "nothing", ["0", "nan", "NaN", "", " ", "0.0", "None", "null", "-1", "<NA>"]
)
def test_an_object_without_a_number_joins_nothing(folder: Path, nothing: str) -> None:
    rows = "".join(f"a.png,{x},5,cat,{nothing}\n" for x in (1, 2, 3))
    found = imported(folder, "points.csv", f"image,x,y,class,object\n{rows}")
    assert len(points(found)) == 3
    assert found.num_joined == (0, 0)
    assert findings(found) == ([("no object", "column object")] if nothing.strip() else [])


def test_joined_points_are_counted(folder: Path) -> None:
    rows = "".join(
        f"a.png,{x},5,cat,{number}\n" for x, number in enumerate(["1.0", "1", "b", "b", 2])
    )
    found = imported(folder, "points.csv", f"image,x,y,class,object\n{rows}")
    assert len(points(found)) == 3
    assert found.num_joined == (4, 2)


def test_an_object_0_among_others_is_perhaps_a_mistake(folder: Path) -> None:
    table = "image,x,y,class,object\na.png,1,5,cat,0\na.png,2,5,cat,0\na.png,3,5,cat,1\n"
    found = imported(folder, "points.csv", table)
    assert [problem.severity for problem in found.problems] == ["warning"]
    assert found.problems[0].found == "2 rows with 0: objects of their own"


def test_fractions_that_are_said_to_be_pixels_are_named(folder: Path) -> None:
    table = "image,x,y,class\na.png,0.25,0.5,cat\n"
    found = imported(folder, "points.csv", table, pixel_indices=True)
    assert points(found) == [("a.png", "cat", 0.75, 1)]
    assert findings(found) == [("points in the top left pixel", "line 2 (a.png)")]


def test_a_quote_without_an_end_is_an_error(folder: Path) -> None:
    with pytest.raises(ValueError, match="unexpected end of data"):
        imported(folder, "points.csv", 'image,x,y,class\n"a.png,1,2,cat\na.png,3,4,cat\n')


def test_a_column_of_files_names_images(folder: Path) -> None:
    found = imported(folder, "points.csv", "file,x,y,class\na.png,1.5,2,cat\n")
    assert points(found) == [("a.png", "cat", 1.5, 2)] and not found.problems
