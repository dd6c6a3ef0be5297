"""Reviewed masks become corrections that a run learns from."""

import json
from pathlib import Path
from typing import Any

import pytest
from wssis_serve.config import ServeConfig
from wssis_serve.errors import ApiError
from wssis_serve.labelling.review import Review, worst_first

from ray_wssis.data.corrections.read import read_corrections
from ray_wssis.data.records import Records
from tests.support.reviews import write_review

Json = dict[str, Any]


@pytest.fixture
def weak(tmp_path: Path) -> Records:
    """The weak images of a run, whose masks are to be reviewed."""
    (tmp_path / "audit").mkdir()
    return write_review(tmp_path, num_images=3)


def masks(review: Review) -> list[Json]:
    found: list[Json] = review.overview()["masks"]
    return found


def decide(review: Review, mask: Json, decision: str, **more: Any) -> Json:
    wanted = {"revision": mask["revision"], "decision": decision} | more
    return review.decide(mask["annotation"]["id"], wanted)


def test_decisions_are_corrections_and_there_after_a_restart(weak: Records, tmp_path: Path) -> None:
    review = Review(tmp_path)
    first, second, _, fourth, *_ = masks(review)
    decide(review, first, "accept")
    decide(review, second, "delete")
    other = fourth["annotation"]
    same_image = [mask for mask in masks(review) if mask["annotation"]["image_id"] == 3]
    drawn = same_image[1]["annotation"]["segmentation"]
    decide(review, same_image[0], "fix", category_id=6, segmentation=drawn)
    decide(review, fourth, "delete")
    undone = next(mask for mask in masks(review) if mask["annotation"]["id"] == other["id"])
    decide(review, undone, "undo")

    again = Review(tmp_path)
    assert masks(again) == masks(review)
    states = {mask["annotation"]["id"]: mask["state"] for mask in masks(again)}
    assert states[second["annotation"]["id"]] == "deleted"
    assert states[other["id"]] == "open"
    found: dict[int, Any] = {}
    for corrections in read_corrections([str(tmp_path / "corrections.json")], weak).values():
        found |= corrections
    objects = {obj.annotation_id: obj for record in weak for obj in record.objects}
    accepted = found.pop(first["annotation"]["id"])
    assert accepted.confirmed
    assert accepted.mask == objects[first["annotation"]["id"]].mask
    assert found.pop(second["annotation"]["id"]).deleted
    fixed = found.pop(same_image[0]["annotation"]["id"])
    assert (fixed.label, fixed.mask) == (5, drawn["counts"].encode())
    assert not found


def test_two_people_do_not_overwrite_each_other(weak: Records, tmp_path: Path) -> None:
    review = Review(tmp_path)
    mask = masks(review)[0]
    decided = decide(review, mask, "delete")
    assert decide(review, mask, "delete") == decided  # sent again
    with pytest.raises(ApiError, match="somebody else deleted mask") as refused:
        decide(review, mask, "accept")
    assert refused.value.status == 409
    assert decide(review, decided, "accept")["state"] == "done"


def test_corrections_of_masks_that_are_no_longer_listed_are_kept(
    weak: Records, tmp_path: Path
) -> None:
    old: Json = {"id": 77_000, "image_id": 99, "category_id": 1, "deleted": True}
    image = {"id": 99, "file_name": "gone.png", "width": 5, "height": 5}
    data = {"images": [image], "annotations": [old], "categories": []}
    (tmp_path / "corrections.json").write_text(json.dumps(data))
    review = Review(tmp_path)
    decide(review, masks(review)[0], "delete")
    after = json.loads((tmp_path / "corrections.json").read_text())
    assert after["images"][0] == image
    assert after["annotations"][0] == old
    assert len(after["annotations"]) == 2


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"category_id": 1}, "it is empty"),
        ({"category_id": 99, "segmentation": {"size": [64, 64], "counts": "0"}}, "no class 99"),
        ({"category_id": 1, "segmentation": {"size": [9, 9], "counts": "0"}}, "is made for"),
    ],
)
def test_a_fix_needs_a_mask(weak: Records, tmp_path: Path, more: Json, complaint: str) -> None:
    review = Review(tmp_path)
    with pytest.raises(ApiError, match=complaint):
        decide(review, masks(review)[0], "fix", **more)
    assert not (tmp_path / "corrections.json").exists()


def test_the_worst_come_first_and_equals_take_turns() -> None:
    def entry(number: int, expected: float | None, kind: int, area: int) -> Json:
        return {"id": number, "expected_iou": expected, "category_id": kind, "area": area}

    listed = [
        entry(1, 0.2, 1, 10),
        entry(2, 0.1, 1, 5),
        entry(3, 0.1001, 1, 50),
        entry(4, 0.1, 2, 7),
        entry(5, None, 1, 99),
        entry(6, 0.1, 1, 20),
    ]
    # Of 2, 3, 4 and 6, shown as 0.10: the largest of either class, then the rest by area.
    assert [each["id"] for each in worst_first({"annotations": listed})] == [3, 4, 6, 2, 1, 5]


def test_what_cannot_be_reviewed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no masks to review"):
        Review(tmp_path)
    with pytest.raises(ValueError, match="give queue or review, not both"):
        ServeConfig(model="m", queue="q", review=True)
