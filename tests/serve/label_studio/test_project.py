import pytest
from wssis_serve.label_studio.project import (
    check_classes,
    classes_of,
    read_label_config,
    version_of,
)

from tests.support.label_studio import CONFIG, TAGS, message_of


def test_finds_the_image_and_the_brush_in_a_labelling_configuration() -> None:
    assert read_label_config(CONFIG) == TAGS


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        ("", "not XML"),
        ("<View>", "not XML"),
        ("<View>\ud800</View>", "not XML"),
        ('<!DOCTYPE v [<!ENTITY a "aaa">]><View>&a;</View>', "no DOCTYPE"),
        ("<View/>", "needs <Image"),
        ('<View><Image name="img" value="$image"/></View>', "needs <Image"),
        ('<View><BrushLabels name="mask" toName="img"/></View>', "needs <Image"),
        (CONFIG.replace("$image", "a.png"), "needs <Image"),
    ],
)
def test_refuses_other_labelling_configurations(xml: str, message: str) -> None:
    assert message in message_of(lambda: read_label_config(xml))


def test_the_brush_shares_a_class_with_the_model() -> None:
    check_classes(TAGS, ["ring", "star"])
    message = message_of(lambda: check_classes(TAGS, ["star"]))
    assert message == "no label of mask is a class of the model, which knows star"


def test_the_version_is_that_of_the_student() -> None:
    models = [{"name": "teacher", "hash": "aa"}, {"name": "student", "hash": "bb"}]
    assert version_of({"models": models}) == "bb"


def test_classes_are_those_of_the_student() -> None:
    student = {"name": "student", "classes": [{"category_id": 3, "name": "ring"}]}
    assert classes_of({"models": [{"name": "teacher", "classes": []}, student]}) == ["ring"]
