"""Tests of ray_wssis.data.class_maps.tags."""

from pathlib import Path

import numpy as np
import pytest

from ray_wssis.data.class_maps.png import encode
from ray_wssis.data.class_maps.tags import note_contradictions, read_tags, with_noise
from ray_wssis.data.problem import Problem, Problems
from ray_wssis.data.records import Category, Record, Records

CATEGORIES = [
    Category(id=i, name=name) for i, name in enumerate(["cat", "background", *"abcdefgh"])
]
SHOWN = (0, 1, 3, 5)


def noisy(rate: float, seed: int = 0, number: int = 2000) -> list[tuple[int, ...]]:
    """Return tags with mistakes of images that all show the same classes."""
    records = (
        Record(image_id=i, file=f"folder/{i}.png", width=1, height=1, tags=SHOWN)
        for i in range(number)
    )
    tags = [with_noise(record, CATEGORIES, rate, seed).tags for record in records]
    return [some for some in tags if some is not None]


def test_a_rate_of_tags_is_left_out_and_as_many_are_added() -> None:
    made = noisy(0.1)
    left_out = sum(len(set(SHOWN) - set(tags)) for tags in made)
    added = sum(len(set(tags) - set(SHOWN)) for tags in made)
    assert 0.09 < left_out / (3 * len(made)) < 0.11  # three classes besides the background
    assert 0.085 < added / (3 * len(made)) < 0.11  # two may be the same
    assert {label for tags in made for label in tags} == set(range(10))
    assert all(1 in tags and list(tags) == sorted(tags) for tags in made)


def test_the_seed_and_the_name_of_the_file_decide() -> None:
    assert noisy(0.3) == noisy(0.3)
    assert noisy(0.3, number=50) == noisy(0.3, number=80)[:50]
    assert noisy(0.3) != noisy(0.3, seed=1)


def test_a_larger_rate_keeps_the_mistakes_of_a_smaller_one() -> None:
    for few, many in zip(noisy(0.1), noisy(0.3), strict=True):
        assert set(SHOWN) - set(few) <= set(SHOWN) - set(many)


def test_without_noise_or_without_tags_nothing_changes() -> None:
    assert set(noisy(0)) == {SHOWN}
    record = Record(image_id=1, file="a.png", width=1, height=1)
    assert with_noise(record, CATEGORIES, 0.5, 0) is record


def said(text: str, folder: Path) -> tuple[dict[int, tuple[int, ...]], list[Problem]]:
    """Read a table of tags of the images 0.png to 4.png."""
    file = folder / "tags.csv"
    file.write_text(text)
    records = Records.from_rows(
        [Record(image_id=i, file=f"/data/{i}.png", width=1, height=1) for i in range(5)],
        CATEGORIES[:3],
    )
    problems = Problems()
    return read_tags(str(file), records, problems), problems.found


@pytest.mark.parametrize(
    "text",
    [
        "file,tags\n1.png,cat;a\n3,cat\n4.png,\n",
        "1.png,a\n1.png,cat\n3.png,background\n3.png,cat\n4.png\n",
        "data/1.png,cat,a\n3.png,cat;\n4.png,\n",
    ],
)
def test_a_table_of_tags_is_read(text: str, tmp_path: Path) -> None:
    tags, problems = said(text, tmp_path)
    assert tags == {1: (0, 1, 2), 3: (0, 1), 4: (1,)} and not problems


def test_tags_that_are_no_class_are_counted(tmp_path: Path) -> None:
    _, (problem,) = said("1.png,kat;kat\n2.png,horse;cat\n", tmp_path)
    assert problem.severity == "error"
    assert problem.found == (
        "3 tags are no class: 'kat' (2 times, did you mean cat?), 'horse' (1 times)"
    )
    assert problem.wanted == "names of the 3 classes (cat, background, a)"


def test_images_that_are_not_there_are_a_warning_unless_none_is(tmp_path: Path) -> None:
    tags, (problem,) = said("1.png,cat\n7.png,cat\n", tmp_path)
    assert list(tags) == [1] and problem.severity == "warning"
    assert problem.found.startswith("1 of 2 names are not those of one image, for instance 7.png")
    _, (problem,) = said("7.png,cat\n", tmp_path)
    assert problem.severity == "error"


def test_an_empty_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"tags.csv: there are no tags in it; a line is `file,tag"):
        said("file,tags\n", tmp_path)


def test_tags_that_contradict_a_map_are_counted() -> None:
    whole, partly = (encode(np.array([[0, third]], np.uint8)) for third in (1, 255))
    records = Records.from_rows(
        [
            Record(image_id=i, file=f"{i}.png", width=2, height=1, class_map=class_map)
            for i, class_map in enumerate([whole, whole, whole, partly, None])
        ],
        CATEGORIES[:3],
    )
    problems = Problems()
    note_contradictions(records, {0: (0, 1), 1: (1,), 2: (0, 1, 2), 3: (0, 1, 2), 4: ()}, problems)
    assert [(problem.where, problem.found) for problem in problems.found] == [
        (
            "1.png",
            "1 of 4 images lack the tag of a class that their class map shows, cat for instance",
        ),
        (
            "2.png",
            "1 of 4 images have the tag of a class that their class map does not show, a for "
            "instance",
        ),
    ]
