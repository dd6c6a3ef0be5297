"""A semantic student over real HTTP: class maps in every format, and what it does not answer."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from wssis_serve.http.class_maps import class_map_answer
from wssis_serve.http.schemas import AnswerFormat
from wssis_serve.segmented import ImageInfo, Mapped, ModelName, Shown

from ray_wssis.data.class_maps.png import encode
from ray_wssis.data.records import Category
from ray_wssis.masks import decode, from_polygons
from tests.serve.conftest import MakeApi, listening

PNG = {"Content-Type": "image/png"}
LABELS = np.array([[0, 0, 0, 0], [0, 2, 2, 0], [0, 2, 2, 0]], np.uint8)
FOUND = Mapped(
    model=ModelName(name="student", hash="0123456789ab"),
    image=ImageInfo(id="x", width=4, height=3),
    categories=tuple(Category(id=10 * i, name=name) for i, name in enumerate("abc")),
    class_map=encode(LABELS),
    shown=[
        Shown(label=0, num_pixels=8, confidence=0.51236),
        Shown(label=2, num_pixels=4, confidence=1.0),
    ],
    tags=(0, 2),
)


def pixels(png: str) -> Any:
    return Image.open(io.BytesIO(base64.b64decode(png)))


def whole(instances: list[dict[str, Any]], height: int, width: int) -> NDArray[np.uint8]:
    """The class map that the masks of the classes make together."""
    labels = np.full((height, width), 255, np.uint8)
    for shown in instances:
        mask = decode(shown["rle"]["counts"].encode(), height, width)
        assert (labels[mask] == 255).all()
        labels[mask] = shown["label"]
    return labels


def test_a_class_says_its_value_colour_share_and_confidence() -> None:
    answer = class_map_answer(FOUND, AnswerFormat.PNG).model_dump(exclude_unset=True)
    assert answer["tags"] == ["a", "c"]
    first, second = answer["classes"]
    assert first == {
        "label": 0,
        "category_id": 0,
        "class": "a",
        "color": "#000000",
        "area": 8,
        "share": 0.666667,
        "confidence": 0.5124,
    }
    assert (second["label"], second["category_id"], second["class"]) == (2, 20, "c")


def test_a_png_has_labels_as_values_and_the_colours_of_the_classes_as_palette() -> None:
    answer = class_map_answer(FOUND, AnswerFormat.PNG)
    image = pixels(answer.png or "")
    assert image.mode == "P"
    assert np.array_equal(np.array(image), LABELS)
    red, green, blue = np.array(image.convert("RGB"))[1, 1]
    assert f"#{red:02x}{green:02x}{blue:02x}" == answer.classes[1].color
    gray = pixels(class_map_answer(FOUND, AnswerFormat.GRAY).png or "")
    assert gray.mode == "L"
    assert np.array_equal(np.array(gray), LABELS)


def test_masks_of_classes_are_the_class_map() -> None:
    rle = class_map_answer(FOUND, AnswerFormat.RLE).model_dump()["classes"]
    assert np.array_equal(whole(rle, 3, 4), LABELS)
    polygons = class_map_answer(FOUND, AnswerFormat.POLYGON).classes[1].polygons or []
    assert np.array_equal(decode(from_polygons(polygons, 3, 4), 3, 4), LABELS == 2)


def test_an_image_gets_one_class_map_in_every_format(mapper: httpx2.Client, image: bytes) -> None:
    def ask(**query: str) -> Any:
        answer = mapper.post("/v1/segment", params=query, content=image, headers=PNG)
        assert answer.status_code == 200, answer.text
        return answer.json()

    default, rle = ask(), ask(format="rle")
    labels = np.array(pixels(default["png"]))
    assert labels.shape == (160, 160)
    assert np.array_equal(labels, np.array(pixels(ask(format="gray")["png"])))
    assert np.array_equal(labels, whole(rle["classes"], 160, 160))
    assert sum(shown["share"] for shown in default["classes"]) == pytest.approx(1, abs=1e-5)
    assert default["tags"] is None
    assert "png" not in rle and "rle" not in default["classes"][0]
    assert {"polygons"} < set(ask(format="polygon")["classes"][0])

    raw = mapper.post("/v1/segment", content=image, headers=PNG | {"Accept": "image/png"})
    assert raw.headers["content-type"] == "image/png"
    assert raw.content == base64.b64decode(default["png"])


@pytest.mark.parametrize(
    "fields",
    [
        {"params": {"tags": "dog, sky,"}},
        {"params": {"tags": ["dog", "sky"]}},
        {"params": {"tags": "20,40"}},
        {"data": {"tags": "dog,sky"}},
        {"data": {"tags": ["dog", "sky"]}},
        {"data": {"tags": '["dog", 40]'}},
    ],
)
def test_tags_restrict_the_answer_wherever_they_are(
    mapper: httpx2.Client, image: bytes, fields: dict[str, Any]
) -> None:
    answer = mapper.post("/v1/segment", files={"image": ("a.png", image)}, **fields).json()
    assert answer["tags"] == ["background", "dog", "sky"]
    assert set(np.unique(np.array(pixels(answer["png"])))) <= {0, 2, 4}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"tags": "dgo"}, "tags: there is no class 'dgo'; did you mean dog?"),
        ({"tags": ""}, "tags"),
        ({"tags": '["a, b"]'}, "tags: there is no class 'a, b'; the model knows background (0), "),
        ({"tags": "[1"}, "tags: this is not JSON"),
        ({"tags": "[1.5]"}, "tags"),
        ({"threshold": "0.5"}, "`threshold` chooses instances, and this server gives every pixel"),
        ({"max_instances": "3"}, "`max_instances` chooses instances"),
        ({"format": "coco"}, "not as coco; wanted: png, gray, rle, polygon"),
    ],
)
def test_what_makes_no_sense_for_a_class_map_is_one_clear_error(
    mapper: httpx2.Client, image: bytes, query: dict[str, str], words: str
) -> None:
    answer = mapper.post("/v1/segment", params=query, content=image, headers=PNG)
    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith(words) or words in answer.text


def test_points_and_bulk_jobs_are_not_for_a_semantic_student(
    make_api: MakeApi, semantic_run: Path, image: bytes, tmp_path: Path
) -> None:
    (tmp_path / "points.json").write_text("{}")
    folder = str(tmp_path)
    api = make_api(model=str(semantic_run), images=(folder,), jobs=str(tmp_path / "jobs"))
    with listening(api) as url, httpx2.Client(base_url=url, timeout=60) as client:
        points = json.dumps([{"x": 1, "y": 2, "class": "dog"}])
        form: dict[str, Any] = {"image": image, "points": (None, points)}
        refused = client.post("/v1/segment/points", files=form)
        assert refused.status_code == 404
        assert "gives every pixel a class and takes no points" in refused.text
        job = {"images": folder, "points": str(tmp_path / "points.json")}
        refused = client.post("/v1/jobs", json=job)
        assert refused.status_code == 404
        assert "a semantic student takes none; use /v1/segment" in refused.text


def test_formats_and_tags_of_class_maps_are_not_for_instances(
    client: httpx2.Client, image: bytes
) -> None:
    for query, words in (
        ({"format": "gray"}, "`gray` is a format of class maps"),
        ({"tags": "ring"}, "`tags` restrict a class map"),
    ):
        answer = client.post("/v1/segment", params=query, content=image, headers=PNG)
        assert answer.status_code == 422
        assert words in answer.json()["error"]["message"]


def test_models_say_what_a_semantic_student_answers(mapper: httpx2.Client) -> None:
    served = mapper.get("/v1/models").json()
    assert served["kind"] == "semantic"
    assert not (served["calibrated"] or served["takes_points"] or served["takes_jobs"])
    (student,) = served["models"]
    assert student["metrics"] == {"val/mIoU": 50.0}
    assert [entry["name"] for entry in student["classes"]][:2] == ["background", "cat"]
    assert student["classes"][1]["color"].startswith("#")


def test_a_student_of_another_kind_can_follow(
    make_api: MakeApi, semantic_run: Path, run_folder: Path, image: bytes
) -> None:
    roots = (str(run_folder.parent), str(semantic_run.parent))
    api = make_api(model=str(semantic_run), models=roots)
    with listening(api) as url, httpx2.Client(base_url=url, timeout=60) as client:
        assert "classes" in client.post("/v1/segment", content=image, headers=PNG).json()
        reload = {"model": str(run_folder / "student/model")}
        assert client.post("/v1/models/reload", json=reload).json()["kind"] == "segmenter"
        assert "instances" in client.post("/v1/segment", content=image, headers=PNG).json()


def test_figures_count_class_maps(make_api: MakeApi, semantic_run: Path, image: bytes) -> None:
    with (
        listening(make_api(model=str(semantic_run))) as url,
        httpx2.Client(base_url=url, timeout=60) as client,
    ):
        client.post("/v1/segment", content=image, headers=PNG)
        figures = client.get("/metrics").text
    assert 'wssis_requests_total{method="POST",route="/v1/segment",status="200"} 1.0' in figures
    assert 'wssis_step_seconds_count{step="model"} 1.0' in figures
    assert "wssis_instances_total{" not in figures
