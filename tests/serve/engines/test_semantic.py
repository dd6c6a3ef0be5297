from pathlib import Path

import numpy as np
import pytest
import torch
from upath import UPath
from wssis_serve.config import ServeConfig
from wssis_serve.engines.models import find_models
from wssis_serve.engines.semantic import SemanticEngine, labels_of
from wssis_serve.errors import ApiError
from wssis_serve.segmented import Question

from ray_wssis.data.class_maps.png import decode
from ray_wssis.data.images.read import decode_image
from ray_wssis.data.records import Category
from ray_wssis.semantic.segmenter import Drawn, SemanticSegmenter, network_image
from ray_wssis.semantic.segmenter_config import Views
from tests.support.noise import noise

CPU = torch.device("cpu")
CATEGORIES = tuple(Category(id=i, name=n) for i, n in [(7, "background"), (3, "cat"), (5, "7")])


@pytest.fixture(scope="module")
def student(semantic_run: Path) -> SemanticEngine:
    return SemanticEngine(find_models(semantic_run), ServeConfig(model=str(semantic_run)), CPU)


def expected(run: Path, image: bytes, tags: tuple[int, ...] | None) -> Drawn:
    """What evaluation and labelling draw."""
    segmenter = SemanticSegmenter.load(UPath(run / "student/model"), CPU)
    pixels = decode_image("", image)
    seen = network_image(pixels, segmenter.config)
    return segmenter.draw([seen], [pixels.shape[:2]], [tags], Views())[0]


@pytest.mark.parametrize(("names", "tags"), [(None, None), (("dog", 40), (0, 2, 4))])
def test_an_image_is_drawn_as_in_evaluation(
    student: SemanticEngine,
    semantic_run: Path,
    image: bytes,
    names: tuple[str | int, ...] | None,
    tags: tuple[int, ...] | None,
) -> None:
    drawn = expected(semantic_run, image, tags)
    decoded = student.decode(image)
    found = student.finish(decoded, student.infer([decoded])[0], Question(tags=names))
    class_map = decode(found.class_map)
    assert class_map.shape == (160, 160)
    assert np.array_equal(class_map, drawn.class_map)
    assert found.tags == tags
    assert len(found.shown) > 1
    for label in range(5):
        is_shown = class_map == label
        entries = [shown for shown in found.shown if shown.label == label]
        assert len(entries) == is_shown.any()
        for shown in entries:
            assert shown.num_pixels == is_shown.sum()
            assert shown.confidence == pytest.approx(drawn.confidence[is_shown].mean() / 255)


def test_the_class_map_of_an_image_does_not_depend_on_who_else_asks(
    student: SemanticEngine,
) -> None:
    sizes = [(160, 160), (300, 120), (160, 160), (90, 200), (300, 121)]
    images = [student.decode(noise(*size, seed=i)) for i, size in enumerate(sizes)]
    for image, logits in zip(images, student.infer(images), strict=True):
        assert torch.allclose(logits, student.infer([image])[0], atol=1e-3)


def test_tags_are_names_or_ids_and_background_is_always_among_them() -> None:
    assert labels_of(None, CATEGORIES) is None
    assert labels_of(["cat"], CATEGORIES) == labels_of([3], CATEGORIES) == (0, 1)
    assert labels_of(["7"], CATEGORIES) == (0, 2)  # a name comes before an id
    assert labels_of(["3"], CATEGORIES) == (0, 1)
    assert labels_of(["cat"], CATEGORIES[1:]) == (0,)


@pytest.mark.parametrize(
    ("tag", "words"),
    [("cta", "no class 'cta'; did you mean cat?"), ("xyz", r"knows background \(7\), cat \(3\)")],
)
def test_a_tag_that_is_no_class_is_refused_with_names(tag: str, words: str) -> None:
    with pytest.raises(ApiError, match=words):
        labels_of(["cat", tag], CATEGORIES)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (Question(threshold=0.5), "`threshold` chooses instances"),
        (Question(max_instances=5), "`max_instances` chooses instances"),
        (Question(tags=("cow",)), "no class 'cow'"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(
    student: SemanticEngine, question: Question, words: str
) -> None:
    with pytest.raises(ApiError, match=words):
        student.check(question)


def test_the_student_is_described(student: SemanticEngine) -> None:
    described = student.describe()
    (model,) = described["models"]
    assert described["kind"] == "semantic"
    assert (model["name"], model["metrics"]) == ("student", {"val/mIoU": 50.0})
    names = [(entry["label"], entry["category_id"], entry["name"]) for entry in model["classes"]]
    assert names[:2] == [(0, 0, "background"), (1, 10, "cat")]
    assert model["classes"][0]["color"] == "#000000"
    assert len({entry["color"] for entry in model["classes"]}) == 5
