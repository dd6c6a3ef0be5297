from pathlib import Path

import pytest
import torch
from upath import UPath
from wssis_serve.config import ServeConfig
from wssis_serve.engines.instance import StudentEngine
from wssis_serve.engines.models import find_models
from wssis_serve.segmented import Instance

from ray_wssis.data.images import decode_image
from ray_wssis.instance.segmenter import Segmenter, network_image
from tests.support.noise import noise

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def student(run_folder: Path) -> StudentEngine:
    return StudentEngine(find_models(run_folder), ServeConfig(model=str(run_folder)), CPU)


def test_an_image_is_segmented_as_in_evaluation(
    student: StudentEngine, run_folder: Path, image: bytes
) -> None:
    segmenter = Segmenter.load(UPath(run_folder / "student/model"), CPU)
    pixels = decode_image("", image)
    (expected,) = segmenter.segment([network_image(pixels, segmenter.config)], [pixels.shape[:2]])
    decoded = student.decode(image)
    found = student.finish(decoded, student.detect([decoded])[0], 0.0, 1000)
    assert len(found.instances) > 3
    assert found.instances == [
        Instance(label=label, score=score, mask=mask)
        for label, score, mask in zip(expected.labels, expected.scores, expected.masks, strict=True)
    ]


SIZES = [(160, 160), (300, 120), (160, 160), (90, 200), (300, 121)]


def test_the_instances_of_an_image_do_not_depend_on_who_else_asks(student: StudentEngine) -> None:
    images = [student.decode(noise(*size, seed=i)) for i, size in enumerate(SIZES)]
    batched = student.detect(images)
    for image, detections in zip(images, batched, strict=True):
        (alone,) = student.detect([image])
        assert detections.labels.tolist() == alone.labels.tolist()
        assert torch.allclose(detections.scores, alone.scores, atol=1e-5)


def test_threshold_and_number_cut_the_list(student: StudentEngine, image: bytes) -> None:
    decoded = student.decode(image)
    (detections,) = student.detect([decoded])
    everything = student.finish(decoded, detections, 0.0, 1000).instances
    half = (everything[0].score + everything[-1].score) / 2
    assert student.finish(decoded, detections, half, 1000).instances == [
        instance for instance in everything if instance.score >= half
    ]
    assert student.finish(decoded, detections, 0.0, 2).instances == everything[:2]
    assert student.finish(decoded, detections, 1.0, 1000).instances == []


def test_the_student_is_described(student: StudentEngine) -> None:
    (model,) = student.describe()["models"]
    assert (model["name"], model["metrics"], model["shorter"]) == ("student", {"val/AP": 12.5}, 96)
    assert model["classes"][0] == {"category_id": 1, "name": "circle"}
