import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from upath import UPath
from wssis_serve.backend import Instance, PointQuery
from wssis_serve.config import ServeConfig
from wssis_serve.engines.instance import PictureMemory, PointEngine, Seen, StudentEngine, record_of
from wssis_serve.http.errors import ApiError
from wssis_serve.models import find_models

from ray_wssis.data.images import decode_image
from ray_wssis.data.records import Click
from ray_wssis.instance.segmenter import Segmenter, network_image
from ray_wssis.methods.point_wssis.drafts import PointNetworks
from ray_wssis.methods.point_wssis.labeller import finish_row
from ray_wssis.methods.point_wssis.refiner import Refiner
from tests.support.tiny_run import QUALITY

CPU = torch.device("cpu")


def config_of(run: Path, **values: float) -> ServeConfig:
    return ServeConfig.model_validate({"model": str(run)} | values)


@pytest.fixture(scope="module")
def student(run_folder: Path) -> StudentEngine:
    return StudentEngine(find_models(run_folder), config_of(run_folder), CPU)


@pytest.fixture(scope="module")
def pointer(run_folder: Path) -> PointEngine:
    return PointEngine(find_models(run_folder), config_of(run_folder), CPU)


def noise(width: int, height: int, seed: int = 0, kind: str = "PNG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=kind)
    return buffer.getvalue()


def test_a_picture_is_segmented_as_in_evaluation(
    student: StudentEngine, run_folder: Path, picture: bytes
) -> None:
    segmenter = Segmenter.load(UPath(run_folder / "student/model"), CPU)
    image = decode_image("", picture)
    (expected,) = segmenter.segment([network_image(image, segmenter.config)], [image.shape[:2]])
    decoded = student.decode(picture)
    found = student.finish(decoded, student.detect([decoded])[0], 0.0, 1000)
    assert len(found.instances) > 3
    assert found.instances == [
        Instance(label=label, score=score, mask=mask)
        for label, score, mask in zip(expected.labels, expected.scores, expected.masks, strict=True)
    ]


def test_what_is_found_does_not_depend_on_who_else_asks(student: StudentEngine) -> None:
    pictures = [student.decode(noise(*size, seed=i)) for i, size in enumerate(SIZES)]
    together = student.detect(pictures)
    for picture, seen in zip(pictures, together, strict=True):
        (alone,) = student.detect([picture])
        assert seen.labels.tolist() == alone.labels.tolist()
        assert torch.allclose(seen.scores, alone.scores, atol=1e-5)


SIZES = [(160, 160), (300, 120), (160, 160), (90, 200), (300, 121)]


def test_threshold_and_number_cut_the_list(student: StudentEngine, picture: bytes) -> None:
    decoded = student.decode(picture)
    (seen,) = student.detect([decoded])
    everything = student.finish(decoded, seen, 0.0, 1000).instances
    half = (everything[0].score + everything[-1].score) / 2
    assert student.finish(decoded, seen, half, 1000).instances == [
        each for each in everything if each.score >= half
    ]
    assert student.finish(decoded, seen, 0.0, 2).instances == everything[:2]
    assert student.finish(decoded, seen, 1.0, 1000).instances == []


def test_points_get_the_masks_that_labelling_would_give_them(
    pointer: PointEngine, run_folder: Path, picture: bytes
) -> None:
    queries = [
        PointQuery(x=80.0, y=80.0, label=0),
        PointQuery(x=20.0, y=120.0, label=3, clicks=[Click(30.0, 120.0, False)]),
    ]
    labeller = PointNetworks(
        Segmenter.load(UPath(run_folder / "teacher/model"), CPU),
        Refiner.load(UPath(run_folder / "refiner/model"), CPU),
    )
    image = decode_image("", picture)
    seen = pointer.look(picture, None)
    record = record_of(seen.picture, queries)
    small = network_image(image, labeller.teacher.config)
    output = labeller.teacher.forward([small])
    draft = labeller.draft_of(output, 0, record, image, small.shape[:2])
    row = finish_row(draft.to_row())
    drawn = pointer.masks(picture, None, queries).instances
    assert [each.mask for each in drawn] == row["refined"]
    assert [each.point for each in drawn] == [(80.0, 80.0), (20.0, 120.0)]
    assert [each.expected_iou for each in drawn] == QUALITY.expected_iou(row)
    assert any(each.mask is not None for each in drawn)


def test_a_picture_is_known_by_its_id(pointer: PointEngine, picture: bytes) -> None:
    query = PointQuery(x=80.0, y=80.0, label=0)
    first = pointer.masks(picture, None, [query])
    assert pointer.masks(None, first.image.id, [query]) == first
    with pytest.raises(ApiError, match="send it again") as caught:
        pointer.masks(None, "0" * 32, [query])
    assert (caught.value.status, caught.value.code) == (404, "unknown_image")


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        (PointQuery(x=160.0, y=3.0, label=0), r"\(160, 3\) is outside the 160 x 160"),
        (PointQuery(x=1.0, y=-0.1, label=0), "outside"),
        (PointQuery(x=1.0, y=1.0, label=0, clicks=[Click(1.0, 400.0, True)]), r"\(1, 400\)"),
        (PointQuery(x=1.0, y=1.0, label=6), "only 6 classes"),
    ],
)
def test_a_point_beside_the_picture_is_refused(
    pointer: PointEngine, picture: bytes, query: PointQuery, complaint: str
) -> None:
    with pytest.raises(ApiError, match=complaint) as caught:
        pointer.masks(picture, None, [query])
    assert caught.value.status == 422


def test_the_memory_forgets_what_was_not_asked_for_longest(pointer: PointEngine) -> None:
    seen: Seen = pointer.look(noise(100, 100), None)
    memory = PictureMemory(2.5 * seen.num_bytes)
    for key in ("a", "b"):
        memory.put(key, seen)
    assert memory.get("a") is seen
    memory.put("c", seen)
    assert [key for key in "abc" if memory.get(key)] == ["a", "c"]
    assert memory.num_bytes == 2 * seen.num_bytes
    PictureMemory(0).put("a", seen)  # nothing fits, and nothing is wrong with that


def test_models_say_what_they_are(student: StudentEngine, pointer: PointEngine) -> None:
    (model,) = student.describe()["models"]
    assert (model["name"], model["metrics"], model["shorter"]) == ("student", {"val/AP": 12.5}, 96)
    assert model["classes"][0] == {"category_id": 1, "name": "circle"}
    said = pointer.describe()
    assert [each["name"] for each in said["models"]] == ["teacher", "refiner"]
    assert said["models"][0]["metrics"] == {"val/AP": None}
    assert said["calibrated"] is True
