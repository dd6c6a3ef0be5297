"""Tests of wssis_serve.label_studio.routes.

`golden/label_studio_*.json` are requests that a real Label Studio (1.23.2) sent: for clicks, as its
editor writes them, and for tasks that nobody was looking at.
"""

import base64
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient
from wssis_serve.backend import Backend, ImageInfo, Instance, ModelName, PointQuery, Segmented
from wssis_serve.config import ServeConfig
from wssis_serve.http.errors import ApiError
from wssis_serve.label_studio.brush import from_brush
from wssis_serve.label_studio.routes import (
    Marks,
    Tags,
    Task,
    brush_regions,
    check_classes,
    checked_picture,
    clicked_objects,
    key_points,
    pointed_objects,
    read_label_config,
    stored_points,
    version_of,
)

from ray_wssis import masks
from ray_wssis.data.records import Category, Click
from tests.serve.conftest import MakeApi

GOLDEN = Path(__file__).parent / "golden"
CLICKS = [
    (92, 79, True),
    (64, 133, False),
]  # in golden/label_studio_click.json, the last one off the object
LABELS = {"disc": 0, "ring": 1}
TAGS = Tags(image="img", brush="mask", data_key="image", class_names=("disc", "ring"))
CONFIG = """
<View>
  <Image name="img" value="$image" zoom="true"/>
  <KeyPointLabels name="kp" toName="img" smart="true"><Label value="disc"/></KeyPointLabels>
  <RectangleLabels name="box" toName="img"><Label value="disc"/></RectangleLabels>
  <BrushLabels name="mask" toName="img">
    <Label value="disc"/><Label value="o" alias="ring"/>
  </BrushLabels>
</View>
"""


def key_point(name: str, x: float, y: float, **fields: Any) -> dict[str, Any]:
    """A region of a key point at x, y percent."""
    value = {"x": x, "y": y, "width": 0.5, "keypointlabels": [name]}
    return {"type": "keypointlabels", "from_name": "kp", "to_name": "img", "value": value} | fields


def marks(*regions: dict[str, Any], **fields: Any) -> Marks:
    return Marks.model_validate({"result": list(regions)} | fields)


def message_of(wrong: Callable[[], Any], status: int = 422) -> str:
    with pytest.raises(ApiError) as error:
        wrong()
    assert error.value.status == status
    return error.value.message


# The labelling configuration


def test_finds_the_picture_and_the_brush_in_a_labelling_configuration() -> None:
    assert read_label_config(CONFIG) == TAGS


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        ("", "not XML"),
        ("<View>", "not XML"),
        ("<View>\ud800</View>", "not XML"),
        ('<!DOCTYPE v [<!ENTITY a "aaa">]><View>&a;</View>', "no DOCTYPE"),
        ("<View/>", "needs <Image"),
        ('<View><Image name="img" value="$image"/></View>', "needs <Image"),
        ('<View><BrushLabels name="mask" toName="img"/></View>', "needs <Image"),
        (CONFIG.replace("$image", "a.png"), "needs <Image"),
    ],
)
def test_refuses_other_labelling_configurations(xml: str, message: str) -> None:
    assert message in message_of(lambda: read_label_config(xml))


def test_the_brush_shares_a_class_with_the_model() -> None:
    check_classes(TAGS, (Category(id=1, name="ring"), Category(id=2, name="star")))
    message = message_of(lambda: check_classes(TAGS, (Category(id=2, name="star"),)))
    assert message == "no label of mask is a class of the model, which knows star"


# Points


def test_a_click_context_is_an_object_for_each_class() -> None:
    points = key_points(
        marks(
            key_point("disc", 10, 10, is_positive=False),
            key_point("disc", 50, 25, is_positive=True),
            {"type": "rectanglelabels", "value": {"x": 1}},
            key_point("ring", 25, 75, is_positive=True),
            key_point("disc", 5, 5),  # was there before
            key_point("disc", 60, 50, is_positive=True),
        )
    )
    assert clicked_objects(points, (200, 100), LABELS) == [
        PointQuery(
            x=100.0, y=25.0, label=0, clicks=[Click(120.0, 50.0, True), Click(20.0, 10.0, False)]
        ),
        PointQuery(x=50.0, y=75.0, label=1),
    ]


def test_a_class_that_was_only_clicked_off_the_object_has_none() -> None:
    points = key_points(marks(key_point("disc", 10, 10, is_positive=False)))
    assert clicked_objects(points, (200, 100), LABELS) == []


def test_each_stored_point_is_an_object() -> None:
    points = key_points(marks(key_point("disc", 50, 25), key_point("disc", 25, 75)))
    assert pointed_objects(points, (200, 100), LABELS) == [
        PointQuery(x=100.0, y=25.0, label=0),
        PointQuery(x=50.0, y=75.0, label=0),
    ]


@pytest.mark.parametrize(
    ("percent", "pixel"), [(0, 0.5), (100, 9.5), (-3, 0.5), (250, 9.5), (95, 9.5), (94, 9.4)]
)
def test_places_are_clipped_to_the_picture(percent: float, pixel: float) -> None:
    (found,) = pointed_objects(key_points(marks(key_point("disc", percent, 50))), (10, 10), LABELS)
    assert found.x == pytest.approx(pixel)
    assert found.y == 5


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (key_point("star", 1, 1), "'star', which is no class of the model; it knows disc, ring"),
        (key_point("disc", 1, 1, image_rotation=90), "turn it back"),
        (key_point("disc", float("nan"), 1), "a key point: value.x"),
        (key_point("disc", 1, 1, value={"x": 1, "y": 1, "keypointlabels": []}), "keypointlabels"),
        ({"type": "keypointlabels"}, "a key point: value"),
    ],
)
def test_refuses_other_points(region: dict[str, Any], message: str) -> None:
    def wrong() -> None:
        pointed_objects(key_points(marks(region)), (10, 10), LABELS)

    assert message in message_of(wrong)


def test_the_latest_marks_with_points_count() -> None:
    at = [f"2026-01-0{day}T00:00:00.000000Z" for day in range(10)]
    older = marks(key_point("disc", 1, 1), updated_at=at[1])
    newer = marks(key_point("disc", 2, 2), updated_at=at[3])
    draft = marks(key_point("disc", 3, 3), updated_at=at[5])
    without = marks({"type": "brushlabels"}, updated_at=at[7])
    cancelled = marks(key_point("disc", 4, 4), was_cancelled=True, updated_at=at[8])
    negative = marks(key_point("disc", 5, 5, is_positive=False), updated_at=at[9])

    def x_of(annotations: list[Marks], drafts: list[Marks]) -> list[float]:
        task = Task(data={}, annotations=annotations, drafts=drafts)
        return [point.value.x for point in stored_points(task)]

    assert x_of([older, newer, without, cancelled, negative], []) == [2]
    assert x_of([older, newer, without, cancelled, negative], [draft]) == [3]
    assert x_of([newer, older], []) == [2]
    assert x_of([without, cancelled, negative], []) == []


# Regions


def test_masks_become_brush_regions() -> None:
    mask = np.zeros((4, 6), dtype=bool)
    mask[1:3, 2:5] = True
    answer = Segmented(
        model=ModelName(name="teacher", hash="abc"),
        image=ImageInfo(id="1", width=6, height=4),
        categories=tuple(Category(id=i, name=name) for i, name in enumerate(["ring", "star"])),
        instances=[
            Instance(label=0, score=0.123456, mask=masks.encode(mask)),
            Instance(label=0, score=0.0, mask=None),  # a point without a mask
            Instance(label=1, score=0.9, mask=masks.encode(mask)),  # the brush has no such class
        ],
    )
    (region,) = brush_regions(answer, TAGS)
    assert len(region.pop("id")) == 10
    code = region["value"].pop("rle")
    assert from_brush(code, 4, 6) == masks.encode(mask)
    assert region == {
        "from_name": "mask",
        "to_name": "img",
        "type": "brushlabels",
        "original_width": 6,
        "original_height": 4,
        "image_rotation": 0,
        "score": 0.1235,
        "value": {"format": "rle", "brushlabels": ["ring"]},
    }


def test_the_version_is_that_of_the_student() -> None:
    models = [{"name": "teacher", "hash": "aa"}, {"name": "student", "hash": "bb"}]
    assert version_of({"models": models}) == "bb"


# Pictures


@pytest.fixture
def config(tmp_path: Path, picture: bytes) -> ServeConfig:
    for name in ("images/in folder/a.png", "images/b.png", "media/upload/4/31cc-b c.png", "c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(picture)
    (tmp_path / "images/text.png").write_text("no picture")
    (tmp_path / "images/empty.png").touch()
    return ServeConfig(
        model="-",
        images=(str(tmp_path / "images"),),
        label_studio_files=str(tmp_path / "media"),
        max_megabytes=0.1,
    )


@pytest.mark.parametrize(
    "name",
    [
        "/data/local-files/?d=in%20folder/a.png",
        "/data/local-files/?d=b.png",
        "b.png",
        "{images}/b.png",
        "file://{images}/b.png",
        "/data/upload/4/31cc-b%20c.png",
        "/data/upload/4/31cc-b c.png",
    ],
)
def test_reads_what_the_operator_allows(name: str, config: ServeConfig, picture: bytes) -> None:
    found = checked_picture(name.format(images=config.images[0]), config)
    assert found == (picture, (160, 160))


def test_reads_a_picture_in_the_task_itself(config: ServeConfig, picture: bytes) -> None:
    uri = "data:image/png;base64," + base64.b64encode(picture).decode()
    assert checked_picture(uri, config) == (picture, (160, 160))


def test_the_size_is_that_of_the_picture_as_it_is_shown(config: ServeConfig) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # on its side
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20)).save(buffer, "JPEG", exif=exif)
    uri = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
    assert checked_picture(uri, config)[1] == (20, 30)


@pytest.mark.parametrize(
    ("name", "status", "message"),
    [
        ("http://169.254.169.254/latest/a.png", 422, "never fetched"),
        ("HTTPS://example.org/a.png", 422, "never fetched"),
        ("//example.org/a.png", 422, "never fetched"),
        ("/data/local-files/?d=http://example.org/a.png", 422, "never fetched"),
        ("/data/local-files/?d=../c.png", 404, "not under a folder"),
        ("/data/local-files/?d=/etc/passwd", 404, "not under a folder"),
        ("/data/local-files/", 404, "not under a folder"),
        ("/data/upload/../../c.png", 404, "not under a folder"),
        ("/data/upload/%2e%2e/%2e%2e/c.png", 404, "not under a folder"),
        ("{images}/../c.png", 404, "not under a folder"),
        ("ftp://example.org/a.png", 404, "not under a folder"),
        ("s3://bucket/a.png", 404, "not under a folder"),
        ("missing.png", 404, "cannot be read"),
        ("in folder", 404, "cannot be read"),
        ("text.png", 415, "wanted is an undamaged"),
        ("empty.png", 400, "no bytes"),
        ("data:image/png,abc", 422, "without base64"),
        ("data:image/png;base64,####", 422, "not base64"),
        ("data:image/png;base64,ä", 422, "not base64"),
        ("data:image/png;base64,aGVsbG8=", 415, "wanted is an undamaged"),
    ],
)
def test_reads_nothing_else(name: str, status: int, message: str, config: ServeConfig) -> None:
    name = name.format(images=config.images[0])
    assert message in message_of(lambda: checked_picture(name, config), status)


def test_reads_no_file_that_is_too_large(config: ServeConfig) -> None:
    (Path(config.images[0]) / "b.png").write_bytes(bytes(100_001))
    assert "more than 0.1 megabytes" in message_of(lambda: checked_picture("b.png", config), 413)


def test_says_what_the_operator_may_configure() -> None:
    bare = ServeConfig(model="-")
    assert "`images`" in message_of(lambda: checked_picture("/data/local-files/?d=b.png", bare))
    upload = "/data/upload/4/b.png"
    assert "`label_studio_files`" in message_of(lambda: checked_picture(upload, bare))


# Routes, with real networks behind them


class Noted:
    """Replicas that note what they are asked for."""

    def __init__(self, replicas: Any) -> None:
        self.replicas = replicas
        self.asked: list[Any] = []

    async def ask(self, method: str, *args: Any) -> Any:
        self.asked.append((method, *args))
        return await self.replicas.ask(method, *args)

    async def tell(self, method: str, *args: Any) -> list[Any]:
        return list(await self.replicas.tell(method, *args))


@pytest.fixture
def studio(make_api: MakeApi, tmp_path: Path, picture: bytes) -> Iterator[TestClient]:
    """A client of a server that may read the pictures of the golden files."""
    (tmp_path / "upload/4").mkdir(parents=True)
    for name in ("p0.png", "p1.png", "upload/4/31cc0bfe-up_load.png"):
        (tmp_path / name).write_bytes(picture)
    (tmp_path / "bad.png").write_text("no picture")
    here = str(tmp_path)
    api = make_api(images=(here,), label_studio_files=here, hosts=("testserver",), max_points=10)
    with TestClient(api) as client:
        yield client


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"label_studio_{name}.json").read_text())


def note_labeller(studio: TestClient) -> Noted:
    api = studio.app
    assert isinstance(api, FastAPI)
    backend: Backend = api.state.backend
    noted = Noted(backend.labeller)
    api.state.backend = replace(backend, labeller=noted)
    return noted


def test_answers_the_click_of_a_label_studio(studio: TestClient) -> None:
    labeller = note_labeller(studio)
    response = studio.post("/predict", json=golden("click"))
    assert response.status_code == 200
    (answer,) = response.json()["results"]
    ((_, _, (star,)),) = [args for method, *args in labeller.asked if method == "masks"]
    assert (star.x, star.y, star.label) == (pytest.approx(97.124), pytest.approx(95.2548), 3)
    assert [(round(click.x), round(click.y), click.positive) for click in star.clicks] == CLICKS
    (region,) = answer["result"]
    assert (region["from_name"], region["value"]["brushlabels"]) == ("mask", ["star"])
    assert answer["score"] == region["score"]


def test_answers_the_tasks_of_a_label_studio(studio: TestClient, picture: bytes) -> None:
    by_student, by_points, damaged, address = studio.post("/predict", json=golden("tasks")).json()[
        "results"
    ]
    assert [region["value"]["brushlabels"] for region in by_points["result"]] == [
        ["circle"],
        ["star"],
    ]
    seen = studio.post("/v1/segment", content=picture, headers={"Content-Type": "image/png"})
    expected = [each["rle"]["counts"] for each in seen.json()["instances"]]
    codes = [region["value"]["rle"] for region in by_student["result"]]
    assert [from_brush(code, 160, 160).decode() for code in codes] == expected != []
    assert "wanted is an undamaged" in damaged["error"] and "result" not in damaged
    assert "never fetched" in address["error"] and "result" not in address


def test_versions_are_the_same_everywhere(studio: TestClient) -> None:
    answers = studio.post("/predict", json=golden("tasks")).json()["results"]
    setup = studio.post("/setup", json={"schema": golden("tasks")["label_config"]}).json()
    assert answers[0]["model_version"] == answers[1]["model_version"] == setup["model_version"]
    assert studio.get("/versions").json() == {"versions": [setup["model_version"]]}


def test_a_click_that_cannot_be_answered_is_an_error(studio: TestClient) -> None:
    click = golden("click")
    click["tasks"][0]["data"]["image"] = "/data/local-files/?d=bad.png"
    assert studio.post("/predict", json=click).status_code == 415
    click["tasks"][0]["data"] = {"text": "abc"}
    response = studio.post("/predict", json=click)
    assert response.status_code == 422
    assert "no picture in its data" in response.json()["error"]["message"]


def test_a_click_without_an_object_has_no_mask(studio: TestClient) -> None:
    click = golden("click")
    click["params"]["context"] = {"result": []}
    (answer,) = studio.post("/predict", json=click).json()["results"]
    assert (answer["result"], answer["score"]) == ([], 0.0)


def test_a_task_may_not_have_too_many_points(studio: TestClient) -> None:
    tasks = golden("tasks")
    tasks["tasks"][1]["annotations"][0]["result"] = [key_point("star", 1, 1)] * 11
    answers = studio.post("/predict", json=tasks).json()["results"]
    assert "at most 10 are taken" in answers[1]["error"]
    assert answers[0]["result"]


def test_tasks_that_there_is_no_time_for_are_asked_for_again(
    make_api: MakeApi, tmp_path: Path, picture: bytes
) -> None:
    (tmp_path / "p0.png").write_bytes(picture)
    api = make_api(images=(str(tmp_path),), hosts=("testserver",), timeout_s=1)
    tasks = golden("tasks")
    tasks["tasks"] = [tasks["tasks"][0]] * 2000
    with TestClient(api) as client:
        answers = client.post("/predict", json=tasks).json()["results"]
    assert len(answers) == 2000
    assert "result" in answers[0]
    assert answers[-1] == {"error": "there was no time left for this task; ask again"}


def test_health_and_webhook(studio: TestClient) -> None:
    assert studio.get("/health").json() == {"status": "UP"}
    event = {"action": "ANNOTATION_CREATED", "annotation": {}}
    assert studio.post("/webhook", json=event).json() == {"status": "ignored"}
    assert studio.post("/webhook", json={"action": "START_TRAINING"}).status_code == 422


def test_setup_refuses_a_project_that_cannot_be_answered(studio: TestClient) -> None:
    assert studio.post("/setup", json={"schema": "<View></View>"}).status_code == 422
    assert studio.post("/setup", json={"schema": CONFIG.replace("ring", "x")}).status_code == 422
    assert studio.post("/setup", json={}).status_code == 422
