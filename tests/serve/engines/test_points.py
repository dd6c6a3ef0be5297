from pathlib import Path

import pytest
import torch
from upath import UPath
from wssis_serve.config import ServeConfig
from wssis_serve.engines.models import find_models
from wssis_serve.engines.points import ImageMemory, PointEngine, Seen, record_of
from wssis_serve.errors import ApiError
from wssis_serve.segmented import PointQuery

from ray_wssis.data.images.read import decode_image
from ray_wssis.data.records import Click
from ray_wssis.instance.segmenter import Segmenter, network_image
from ray_wssis.masks import contains
from ray_wssis.methods.point_wssis.drafts import PointNetworks
from ray_wssis.methods.point_wssis.labeller import finish_row
from ray_wssis.methods.point_wssis.refiner import Refiner
from ray_wssis.methods.walker.obey import obeyed
from tests.support.noise import noise
from tests.support.tiny_run import QUALITY

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pointer(run_folder: Path) -> PointEngine:
    return PointEngine(find_models(run_folder), ServeConfig(model=str(run_folder)), CPU)


def test_points_get_the_masks_that_labelling_would_give_them(
    pointer: PointEngine, run_folder: Path, image: bytes
) -> None:
    queries = [
        PointQuery(x=80.0, y=80.0, category="circle"),
        PointQuery(x=20.0, y=120.0, category=4, clicks=[Click(30.0, 120.0, False)]),
    ]
    networks = PointNetworks(
        Segmenter.load(UPath(run_folder / "teacher/model"), CPU),
        Refiner.load(UPath(run_folder / "refiner/model"), CPU),
    )
    pixels = decode_image("", image)
    seen = pointer.look(image, None)
    record = record_of(seen.image, queries, [0, 3])
    small = network_image(pixels, networks.teacher.config)
    output = networks.teacher.forward([small])
    draft = networks.draft_of(output, 0, record, pixels, small.shape[:2])
    row = finish_row(draft.to_row())
    drawn = pointer.masks(image, None, queries).instances
    assert record.objects[1].clicks == ()  # which change the mask afterwards
    first, second = row["refined"]
    corrected = obeyed(pixels, second, (20.0, 120.0), queries[1].clicks)
    assert [instance.mask for instance in drawn] == [first, corrected]
    assert corrected is None or not contains(corrected, 160, 160, (30.0, 120.0))
    assert [instance.point for instance in drawn] == [(80.0, 80.0), (20.0, 120.0)]
    assert [instance.expected_iou for instance in drawn] == QUALITY.expected_iou(row)
    assert any(instance.mask is not None for instance in drawn)


def test_an_image_is_known_by_its_id(pointer: PointEngine, image: bytes) -> None:
    query = PointQuery(x=80.0, y=80.0, category="circle")
    first = pointer.masks(image, None, [query])
    assert pointer.masks(None, first.image.id, [query]) == first
    with pytest.raises(ApiError, match="send it again") as caught:
        pointer.masks(None, "0" * 32, [query])
    assert (caught.value.status, caught.value.code) == (404, "unknown_image")


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        (PointQuery(x=160.0, y=3.0, category=1), r"\(160, 3\) is outside the 160 x 160"),
        (PointQuery(x=1.0, y=-0.1, category=1), "outside"),
        (PointQuery(x=1.0, y=1.0, category=1, clicks=[Click(1.0, 400.0, True)]), r"\(1, 400\)"),
        (PointQuery(x=1.0, y=1.0, category=7), "there is no class '7'; the model knows circle"),
        (PointQuery(x=1.0, y=1.0, category="cow"), "points.0: there is no class 'cow'"),
    ],
)
def test_points_outside_the_image_or_of_no_class_are_refused(
    pointer: PointEngine, image: bytes, query: PointQuery, complaint: str
) -> None:
    with pytest.raises(ApiError, match=complaint) as caught:
        pointer.masks(image, None, [query])
    assert caught.value.status == 422


def test_the_memory_forgets_the_image_that_was_unused_for_longest(pointer: PointEngine) -> None:
    seen: Seen = pointer.look(noise(100, 100), None)
    memory = ImageMemory(2.5 * seen.num_bytes)
    for key in ("a", "b"):
        memory.put(key, seen)
    assert memory.get("a") is seen
    memory.put("c", seen)
    assert [key for key in "abc" if memory.get(key)] == ["a", "c"]
    assert memory.num_bytes == 2 * seen.num_bytes
    ImageMemory(0).put("a", seen)  # nothing fits, and that is no error


def test_teacher_and_refiner_are_described(pointer: PointEngine) -> None:
    described = pointer.describe()
    assert [model["name"] for model in described["models"]] == ["teacher", "refiner"]
    assert described["models"][0]["metrics"] == {"val/AP": None}
    assert described["calibrated"] is True
