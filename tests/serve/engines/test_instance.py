from pathlib import Path

import pytest
import torch
from upath import UPath
from wssis_serve.config import ServeConfig
from wssis_serve.engines.instance import InstanceEngine
from wssis_serve.engines.models import find_models
from wssis_serve.errors import ApiError
from wssis_serve.segmented import Instance, Question

from ray_wssis.data.images.read import decode_image
from ray_wssis.instance.seams import segment_huge
from ray_wssis.instance.segmenter import Found, Segmenter, network_image
from ray_wssis.instance.tile_config import TileConfig
from ray_wssis.models.solov2_inference import Detections
from tests.support.noise import noise

CPU = torch.device("cpu")


def asked(threshold: float, max_instances: int) -> Question:
    return Question(threshold=threshold, max_instances=max_instances)


@pytest.fixture(scope="module")
def student(run_folder: Path) -> InstanceEngine:
    return InstanceEngine(find_models(run_folder), ServeConfig(model=str(run_folder)), CPU)


def test_an_image_is_segmented_as_in_evaluation(
    student: InstanceEngine, run_folder: Path, image: bytes
) -> None:
    segmenter = Segmenter.load(UPath(run_folder / "student/model"), CPU)
    pixels = decode_image("", image)
    (expected,) = segmenter.segment([network_image(pixels, segmenter.config)], [pixels.shape[:2]])
    decoded = student.decode(image)
    found = student.finish(decoded, student.infer([decoded])[0], asked(0.0, 1000))
    assert len(found.instances) > 3
    assert found.instances == [
        Instance(label=label, score=score, mask=mask)
        for label, score, mask in zip(expected.labels, expected.scores, expected.masks, strict=True)
    ]


SIZES = [(160, 160), (300, 120), (160, 160), (90, 200), (300, 121)]


def test_the_instances_of_an_image_do_not_depend_on_who_else_asks(student: InstanceEngine) -> None:
    images = [student.decode(noise(*size, seed=i)) for i, size in enumerate(SIZES)]
    batched = student.infer(images)
    for image, detections in zip(images, batched, strict=True):
        (alone,) = student.infer([image])
        assert detections.labels.tolist() == alone.labels.tolist()
        assert torch.allclose(detections.scores, alone.scores, atol=1e-5)


def test_threshold_and_number_cut_the_list(student: InstanceEngine, image: bytes) -> None:
    decoded = student.decode(image)
    (detections,) = student.infer([decoded])
    everything = student.finish(decoded, detections, asked(0.0, 1000)).instances
    half = (everything[0].score + everything[-1].score) / 2
    assert student.finish(decoded, detections, asked(half, 1000)).instances == [
        instance for instance in everything if instance.score >= half
    ]
    assert student.finish(decoded, detections, asked(0.0, 2)).instances == everything[:2]
    assert student.finish(decoded, detections, asked(1.0, 1000)).instances == []


def test_the_student_is_described(student: InstanceEngine) -> None:
    (model,) = student.describe()["models"]
    assert (model["name"], model["metrics"], model["shorter"]) == ("student", {"val/AP": 12.5}, 96)
    assert model["classes"][0] == {"label": 0, "category_id": 1, "name": "circle"}


def test_what_a_caller_does_not_say_has_a_default(student: InstanceEngine, image: bytes) -> None:
    decoded = student.decode(image)
    (detections,) = student.infer([decoded])
    silent = student.finish(decoded, detections, Question())
    assert silent == student.finish(decoded, detections, asked(0.3, 100))


def test_tags_are_not_for_instances(student: InstanceEngine) -> None:
    with pytest.raises(ApiError, match="this server finds instances"):
        student.check(Question(tags=("circle",)))


def test_a_huge_image_is_seen_by_its_tiles(run_folder: Path) -> None:
    engine = InstanceEngine(find_models(run_folder), ServeConfig(model=str(run_folder)), CPU)
    tile = TileConfig(size=96)
    engine.segmenter.config = engine.segmenter.config.model_copy(update={"tile": tile})
    small, huge = (engine.decode(noise(*size)) for size in ((90, 96), (150, 100)))
    first, second = engine.infer([small, huge])
    assert isinstance(first, Detections) and isinstance(second, Found)
    found = engine.finish(huge, second, asked(0.0, 1000)).instances
    expected = segment_huge(engine.segmenter, huge.pixels, tile)
    assert [each.mask for each in found] == expected.masks and len(found) > 3
    assert engine.finish(small, first, asked(0.0, 1000)).instances
