import pytest

from ray_wssis.data.coco.read import Rejected
from ray_wssis.data.records import Category, Object, Record, Records
from ray_wssis.data.split.checks import check_points, check_teaches, check_validates, counted
from ray_wssis.masks import everywhere, nowhere

MASK = everywhere(3, 4)


def records(*objects: Object, annotated: bytes | None = None) -> Records:
    row = Record(image_id=1, file="a.png", width=4, height=3, objects=objects, annotated=annotated)
    return Records.from_rows([row], [Category(id=1, name="disc")])


def obj(number: int = 1, **known: object) -> Object:
    return Object(annotation_id=number, label=0, **known)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("strong", "complaint"),
    [
        (records(), "none of the 1 images of the part with masks has an object with a mask. Try"),
        (records(obj(mask=MASK, crowd=True)), r"with a mask \(1 are crowd regions\)"),
        (records(obj(point=(1, 1))), "there is nothing to teach"),
        (records(obj(mask=MASK), annotated=nowhere(3, 4)), "there is nothing to teach"),
    ],
)
def test_a_part_without_an_object_to_learn_is_refused(strong: Records, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        check_teaches(strong)
    with pytest.raises(ValueError, match="nothing to validate on: none of the 1 validation images"):
        check_validates(strong)


def test_one_mask_is_enough() -> None:
    check_teaches(records(obj(1, mask=MASK, crowd=True), obj(2, mask=MASK)))
    check_validates(records(obj(2, mask=MASK)))


def test_a_weak_part_without_a_point_is_refused_with_the_reasons_counted() -> None:
    rejected = [
        Rejected(image_id=1, annotation_id=i, reason=f"the point ({i}, 9) is outside the image")
        for i in range(2)
    ]
    rejected.append(Rejected(image_id=1, annotation_id=7, reason="no mask"))
    with pytest.raises(
        ValueError,
        match=r"no usable point among the 4 annotations of the 1 weak images: 2 times the point "
        r"\(0, 9\) is outside the image; 1 times no mask\. Give each",
    ):
        check_points(records(obj()), rejected)
    check_points(records(obj(point=(1, 1))), rejected)


def test_only_the_most_frequent_reasons_are_named() -> None:
    assert counted([]) == ""
    assert counted(["a", "b", "b", "c", "d"]) == "2 times b; 1 times a; 1 times c; ..."
