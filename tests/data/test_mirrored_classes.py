import pytest

from ray_wssis.data.mirrored_classes import mirrored_labels, mirrored_name, mirrored_pairs
from ray_wssis.data.records import Category


def categories(*names: str) -> list[Category]:
    return [Category(id=i, name=name) for i, name in enumerate(names)]


def test_left_and_right_of_one_thing_are_a_pair() -> None:
    classes = categories("wheel", "front_left_door", "hood", "front_right_door", "left_hand")
    assert mirrored_labels(classes) == (0, 3, 2, 1, 4)
    assert mirrored_pairs(classes) == [("front_left_door", "front_right_door")]


@pytest.mark.parametrize(
    ("name", "mirrored"),
    [
        ("left-kidney", "right-kidney"),
        ("LeftLung", "rightlung"),
        ("lung (L)", "lung (r)"),
        ("LV 1", "lv 1"),
        ("lake", "lake"),
        ("copyright", "copyright"),
        ("L/R", "r/l"),
    ],
)
def test_a_name_is_mirrored_by_its_words(name: str, mirrored: str) -> None:
    assert mirrored_name(name) == mirrored


def test_classes_without_sides_stay_what_they_are() -> None:
    assert mirrored_labels(categories("disc", "ring", "upright piano")) == (0, 1, 2)
    assert not mirrored_pairs(categories("disc", "ring"))
