"""X-AnyLabeling asks, real networks answer.

The requests have the form that X-AnyLabeling 4.2.1 sends.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient
from wssis_serve.config import ServeConfig
from wssis_serve.http.api import create_api
from wssis_serve.x_anylabeling.shapes import simplified

from ray_wssis import masks
from tests.serve.conftest import MakeApi, backend_here

LOCAL = "http://localhost"
NO_KEY = {"Token": ""}
ON_SHAPE = [64, 133]

Json = dict[str, Any]


@pytest.fixture(scope="module")
def client(run_folder: Path) -> Iterator[TestClient]:
    config = ServeConfig(model=str(run_folder))
    with TestClient(create_api(config, backend_here(config)), LOCAL, headers=NO_KEY) as client:
        yield client


def sent(image: bytes, model: str, **params: Any) -> Json:
    uri = f"data:image/png;base64,{base64.b64encode(image).decode()}"
    usual = {"conf_threshold": 0.3, "iou_threshold": 0.0, "epsilon_factor": 0.0}
    return {"model": model, "image": uri, "params": usual | params}


def predict(client: TestClient, body: Json) -> Json:
    answer = client.post("/x-anylabeling/v1/predict", json=body)
    assert answer.status_code == 200, answer.text
    whole: Json = answer.json()
    assert whole["success"] is True
    data: Json = whole["data"]
    return data


def drawn(shapes: list[Json]) -> list[np.ndarray]:
    """The masks [160, 160] of polygons, those of one group together."""
    made: dict[Any, list[Json]] = {}
    for number, shape in enumerate(shapes):
        made.setdefault(shape["group_id"] or -number - 1, []).append(shape)
    found = []
    for parts in made.values():
        flat = [[value for corner in each["points"] for value in corner] for each in parts]
        found.append(masks.decode(masks.from_polygons(flat, 160, 160), 160, 160))
    return found


def test_the_models_have_the_widgets_that_a_person_needs(client: TestClient) -> None:
    data = client.get("/x-anylabeling/v1/models").json()["data"]
    assert list(data) == ["student", "points"]
    names = {model: [each["name"] for each in data[model]["widgets"]] for model in data}
    assert names["student"][:2] == ["button_run", "edit_conf"]
    assert names["points"][:2] == ["button_add_point", "button_remove_point"]
    assert data["points"]["batch_processing_mode"] is None  # nobody clicks in a batch


def test_everything_found_is_a_polygon_around_its_mask(client: TestClient, image: bytes) -> None:
    wanted = client.post("/v1/segment?threshold=0.3", content=image).json()["instances"]
    shapes = predict(client, sent(image, "student"))["shapes"]
    assert {shape["shape_type"] for shape in shapes} == {"polygon"}
    found = drawn(shapes)
    assert len(found) == len(wanted) > 0
    for mask, instance in zip(found, wanted, strict=True):
        whole = masks.decode(instance["rle"]["counts"].encode(), 160, 160)
        filled = np.zeros((160, 160), np.uint8)  # polygons have no holes
        outlines, _ = cv2.findContours(
            whole.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        cv2.drawContours(filled, outlines, -1, 1, cv2.FILLED)
        assert (mask != filled.astype(bool)).sum() <= 2  # a line of one pixel has no area
    first = next(iter(wanted))
    assert (shapes[0]["label"], shapes[0]["score"]) == (first["class"], first["score"])


def test_a_threshold_and_fewer_corners_are_asked_for(client: TestClient, image: bytes) -> None:
    many = predict(client, sent(image, "student", conf_threshold=0.05))["shapes"]
    few = predict(client, sent(image, "student", conf_threshold=0.6))["shapes"]
    assert {shape["score"] >= 0.6 for shape in few} <= {True}
    assert len(few) < len(many)
    coarse = predict(client, sent(image, "student", epsilon_factor=0.02))["shapes"]
    fine = predict(client, sent(image, "student"))["shapes"]
    num_corners = [sum(len(each["points"]) for each in shapes) for shapes in (coarse, fine)]
    assert num_corners[0] < num_corners[1] / 2


@pytest.mark.parametrize("off", [[], [[70, 140], [55, 120]]])
def test_clicks_draw_the_best_mask_of_all_classes_and_the_person_names_it(
    client: TestClient, image: bytes, off: list[list[int]]
) -> None:
    marks = [{"type": "point", "data": place, "label": 0} for place in off]
    marks.append({"type": "point", "data": ON_SHAPE, "label": 1})
    data = predict(client, sent(image, "points", marks=marks))
    assert data["replace"] is False  # what is there stays
    clicks = [{"x": x, "y": y, "positive": False} for x, y in off]
    x, y = ON_SHAPE
    asked = [
        {"x": x, "y": y, "category_id": each["category_id"], "clicks": clicks}
        for each in client.get("/v1/models").json()["models"][0]["classes"]
    ]
    answers = client.post(
        "/v1/segment/points",
        files={"image": ("a.png", image, "image/png")},
        data={"points": json.dumps(asked), "format": "polygon"},
    ).json()["instances"]
    best = max((each for each in answers if each["bbox"]), key=lambda each: each["expected_iou"])
    assert len(data["shapes"]) == len(best["polygons"]) > 0
    for shape in data["shapes"]:
        assert shape["label"] == "AUTOLABEL_OBJECT"
        assert (shape["description"], shape["score"]) == (best["class"], best["expected_iou"])


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"params": {"marks": []}}, 422, "no point is on an object"),
        ({"params": {"marks": [{"type": "rectangle", "data": [1, 2, 3, 4]}]}}, 422, "boxes"),
        ({"params": {"marks": [{"type": "point", "data": [161, 5]}]}}, 422, "outside"),
        ({"model": "yolo"}, 422, "student"),
        ({"image": "data:image/png,abc"}, 422, "without base64"),
        ({"image": base64.b64encode(b"no image").decode()}, 415, "image"),
    ],
)
def test_what_cannot_be_answered_is_an_error_in_words(
    client: TestClient, image: bytes, change: Json, status: int, words: str
) -> None:
    answer = client.post("/x-anylabeling/v1/predict", json=sent(image, "points") | change)
    assert answer.status_code == status
    assert words in answer.json()["error"]["message"]


def test_an_image_may_be_as_large_as_elsewhere(client: TestClient, make_api: MakeApi) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1200, 1200, 3), dtype=np.uint8)
    _, encoded = cv2.imencode(".png", noise)
    assert len(encoded) > 4_000_000  # the limit of other bodies of JSON
    body = sent(encoded.tobytes(), "student")
    predict(client, body)
    with TestClient(make_api(max_megabytes=4), LOCAL) as narrow:
        assert narrow.post("/x-anylabeling/v1/predict", json=body).status_code == 413


def test_its_key_is_the_token(run_folder: Path) -> None:
    config = ServeConfig(model=str(run_folder), token="secret")
    with TestClient(create_api(config, backend_here(config)), LOCAL) as client:
        for key, status in (("secret", 200), ("other", 401), ("", 401)):
            headers = {"Token": key}
            assert client.get("/x-anylabeling/v1/models", headers=headers).status_code == status


def test_a_semantic_student_gives_every_class_an_outline(semantic_run: Path, image: bytes) -> None:
    config = ServeConfig(model=str(semantic_run))
    with TestClient(create_api(config, backend_here(config)), LOCAL) as client:
        assert list(client.get("/x-anylabeling/v1/models").json()["data"]) == ["student"]
        shapes = predict(client, sent(image, "student"))["shapes"]
        answer = client.post("/v1/segment", content=image).json()
    assert {shape["label"] for shape in shapes} <= {each["class"] for each in answer["classes"]}
    assert shapes


def test_an_outline_keeps_three_corners() -> None:
    square = [0.0, 0.0, 1.0, 0.0, 2.0, 0.0, 2.0, 2.0, 0.0, 2.0]
    assert simplified(square, 0.0) == [[0, 0], [2, 0], [2, 2], [0, 2]]
    assert len(simplified(square, 1.0)) >= 3
