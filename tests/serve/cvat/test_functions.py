"""CVAT's own loader and shapes, and a real endpoint behind our functions."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import numpy as np
import pytest
from cvat_cli._internal.common import FunctionLoader
from cvat_sdk.masks import decode_mask
from PIL import Image
from wssis_serve.config import ServeConfig
from wssis_serve.cvat import detector, interactor
from wssis_serve.http.api import create_api

from ray_wssis import masks
from ray_wssis.data.builtin.shapes import draw_image
from tests.serve.conftest import backend_here, listening

pytestmark = pytest.mark.slow

SIZE = 160
TOKEN = "open sesame"


@pytest.fixture(scope="module")
def url(run_folder: Path) -> Iterator[str]:
    config = ServeConfig(model=str(run_folder), token=TOKEN)
    with listening(create_api(config, backend_here(config))) as url:
        yield url


@pytest.fixture(scope="module")
def frame() -> Image.Image:
    return Image.fromarray(draw_image(0, seed=0, size=SIZE)[0])


def load(name: str, url: str, **parameters: str) -> Any:
    """Load a function as CVAT's command line does."""
    how = {"url": url, "token": TOKEN, **parameters}
    return FunctionLoader(f"wssis_serve.cvat.{name}", None, how).load()


def answer_of(url: str, path: str, image: bytes, **form: str) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = httpx2.post(
        f"{url}{path}", headers=headers, files={"image": image}, data=form, timeout=60
    )
    found: list[dict[str, Any]] = answer.json()["instances"]
    return found


def pixels(points: list[float]) -> Any:
    return decode_mask(points, image_width=SIZE, image_height=SIZE)


def mask_of(instance: dict[str, Any]) -> Any:
    return masks.decode(instance["rle"]["counts"].encode(), SIZE, SIZE).astype(bool)


@pytest.mark.parametrize("threshold", [None, 0.05])
def test_every_object_of_the_student_is_a_mask(
    url: str, frame: Image.Image, image: bytes, threshold: float | None
) -> None:
    function = load("detector", url)
    context: Any = SimpleNamespace(conf_threshold=threshold, conv_mask_to_poly=False)
    shapes = function.detect(context, frame)
    form = {} if threshold is None else {"threshold": str(threshold)}
    found = answer_of(url, "/v1/segment", image, **form)
    assert [shape.label_id for shape in shapes] == [each["category_id"] for each in found]
    for shape, each in zip(shapes, found, strict=True):
        assert shape.type.value == "mask"
        assert np.array_equal(pixels(shape.points), mask_of(each))


def test_outlines_of_one_object_are_a_group(url: str, frame: Image.Image, image: bytes) -> None:
    context: Any = SimpleNamespace(conf_threshold=0.05, conv_mask_to_poly=True)
    shapes = load("detector", url).detect(context, frame)
    found = answer_of(url, "/v1/segment", image, threshold="0.05", format="polygon")
    assert [list(shape.points) for shape in shapes] == [
        outline for each in found for outline in each["polygons"]
    ]
    sizes = [len(each["polygons"]) for each in found if len(each["polygons"]) > 1]
    groups = [shape.group for shape in shapes if hasattr(shape, "group")]
    assert [groups.count(group) for group in dict.fromkeys(groups)] == sizes


def test_classes_are_those_of_the_model(url: str) -> None:
    labels = load("detector", url).spec.labels
    models = httpx2.get(f"{url}/v1/models", headers={"Authorization": f"Bearer {TOKEN}"}).json()
    assert {label.id: label.name for label in labels} == {
        each["category_id"]: each["name"] for each in models["models"][0]["classes"]
    }


def test_a_click_gives_the_mask_that_is_expected_to_be_best(
    url: str, frame: Image.Image, image: bytes
) -> None:
    function = load("interactor", url)
    prompts: Any = SimpleNamespace(pos_points=[(50.5, 60)], neg_points=[(5, 5)], bounding_box=None)
    context: Any = SimpleNamespace()
    [shape] = function.detect(context, function.preprocess_image(context, frame), prompts)
    asked = [
        f'{{"x": 50.5, "y": 60, "category_id": {number}, '
        '"clicks": [{"x": 5, "y": 5, "positive": false}]}'
        for number in function.classes
    ]
    found = answer_of(url, "/v1/segment/points", image, points=f"[{', '.join(asked)}]")
    best = max(
        (each for each in found if each["bbox"]),
        key=lambda each: each["expected_iou"] or each["score"],
    )
    assert np.array_equal(pixels(shape.points), mask_of(best))
    assert 0 <= float(shape.attributes[0].value) <= 1


def test_one_class_may_be_named_and_must_exist(url: str) -> None:
    assert len(load("interactor", url, class_name="circle").classes) == 1
    with pytest.raises(ValueError, match="class_name dusc: the classes are"):
        interactor.create(url, TOKEN, "dusc")


def test_refusals_are_in_the_words_of_the_server(url: str) -> None:
    with pytest.raises(RuntimeError, match="token"):
        detector.create(url, "wrong")
    with pytest.raises(RuntimeError, match="is wssis serve up"):
        detector.create("http://127.0.0.1:9")
