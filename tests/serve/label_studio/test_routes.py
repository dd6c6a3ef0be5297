"""Tests of the routes for Label Studio, with real networks behind them.

`golden/label_studio_*.json` are requests that a real Label Studio (1.23.2) sent: for clicks, as its
editor writes them, and for tasks that nobody had open.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from wssis_serve.backend import Backend
from wssis_serve.label_studio import predictor

from ray_wssis.data.imports.brush import from_brush
from tests.serve.conftest import MakeApi
from tests.support.label_studio import CONFIG, key_point

GOLDEN = Path(__file__).parent / "golden"
CLICKS = [  # in golden/label_studio_click.json, the last one off the object
    (92, 79, True),
    (64, 133, False),
]


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
def studio(make_api: MakeApi, tmp_path: Path, image: bytes) -> Iterator[TestClient]:
    """A client of a server that may read the images of the golden files."""
    (tmp_path / "upload/4").mkdir(parents=True)
    for name in ("p0.png", "p1.png", "upload/4/31cc0bfe-up_load.png"):
        (tmp_path / name).write_bytes(image)
    (tmp_path / "bad.png").write_text("no image")
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
    assert (star.x, star.y) == (pytest.approx(97.124), pytest.approx(95.2548))
    assert star.category == "star"
    assert [(round(click.x), round(click.y), click.positive) for click in star.clicks] == CLICKS
    (region,) = answer["result"]
    assert (region["from_name"], region["value"]["brushlabels"]) == ("mask", ["star"])
    assert answer["score"] == region["score"]


def test_answers_the_tasks_of_a_label_studio(studio: TestClient, image: bytes) -> None:
    by_student, by_points, damaged, address = studio.post("/predict", json=golden("tasks")).json()[
        "results"
    ]
    assert [region["value"]["brushlabels"] for region in by_points["result"]] == [
        ["circle"],
        ["star"],
    ]
    seen = studio.post("/v1/segment", content=image, headers={"Content-Type": "image/png"})
    expected = [instance["rle"]["counts"] for instance in seen.json()["instances"]]
    codes = [region["value"]["rle"] for region in by_student["result"]]
    assert [from_brush(code, 160, 160).decode() for code in codes] == expected != []
    assert "wanted: an undamaged" in damaged["error"] and "result" not in damaged
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
    assert "no image in its data" in response.json()["error"]["message"]


def test_a_click_without_an_object_has_no_mask(studio: TestClient) -> None:
    click = golden("click")
    click["params"]["context"] = {"result": []}
    (answer,) = studio.post("/predict", json=click).json()["results"]
    assert (answer["result"], answer["score"]) == ([], 0.0)


def test_a_task_may_not_have_too_many_points(studio: TestClient) -> None:
    tasks = golden("tasks")
    tasks["tasks"][1]["annotations"][0]["result"] = [key_point("star", 1, 1)] * 11
    answers = studio.post("/predict", json=tasks).json()["results"]
    assert "at most 10 are accepted" in answers[1]["error"]
    assert answers[0]["result"]


def test_tasks_that_there_is_no_time_for_are_asked_for_again(
    make_api: MakeApi, tmp_path: Path, image: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "p0.png").write_bytes(image)
    api = make_api(images=(str(tmp_path),), hosts=("testserver",), timeout_s=60)
    clock = SimpleNamespace(monotonic=count(step=20).__next__)  # 20 s go by between two looks at it
    monkeypatch.setattr(predictor, "time", clock)
    tasks = golden("tasks")
    tasks["tasks"] = [tasks["tasks"][0]] * 5
    with TestClient(api) as client:
        answers = client.post("/predict", json=tasks).json()["results"]
    assert all("result" in answer for answer in answers[:3])
    assert answers[3:] == [{"error": "there was no time left for this task; ask again"}] * 2


def test_health_and_webhook(studio: TestClient) -> None:
    assert studio.get("/health").json() == {"status": "UP"}
    event = {"action": "ANNOTATION_CREATED", "annotation": {}}
    assert studio.post("/webhook", json=event).json() == {"status": "ignored"}
    assert studio.post("/webhook", json={"action": "START_TRAINING"}).status_code == 422


def test_setup_refuses_a_project_that_cannot_be_answered(studio: TestClient) -> None:
    assert studio.post("/setup", json={"schema": "<View></View>"}).status_code == 422
    assert studio.post("/setup", json={"schema": CONFIG.replace("ring", "x")}).status_code == 422
    assert studio.post("/setup", json={}).status_code == 422


SEMANTIC = """
<View>
  <Image name="img" value="$image"/>
  <Choices name="tags" toName="img" choice="multiple"><Choice value="dog"/></Choices>
  <BrushLabels name="mask" toName="img">
    <Label value="cat"/><Label value="dog"/><Label value="sea"/><Label value="sky"/>
  </BrushLabels>
</View>
"""


def test_a_semantic_student_answers_with_a_region_for_each_class(
    make_api: MakeApi, semantic_run: Path, tmp_path: Path, image: bytes
) -> None:
    (tmp_path / "a.png").write_bytes(image)
    api = make_api(model=str(semantic_run), images=(str(tmp_path),), hosts=("testserver",))
    task: dict[str, Any] = {"data": {"image": "a.png"}}

    def predicted(client: TestClient, *regions: dict[str, Any]) -> dict[str, bytes]:
        """The mask of each class that the brush gets, for a task with these regions."""
        tasks = [task | {"annotations": [{"result": list(regions)}]}]
        answer = client.post("/predict", json={"tasks": tasks, "label_config": SEMANTIC}).json()
        return {
            region["value"]["brushlabels"][0]: from_brush(region["value"]["rle"], 160, 160)
            for region in answer["results"][0]["result"]
        }

    def drawn(client: TestClient, **query: str) -> dict[str, bytes]:
        query |= {"format": "rle"}
        answer = client.post("/v1/segment", params=query, files={"image": image}).json()
        shown = {entry["class"]: entry["rle"]["counts"].encode() for entry in answer["classes"]}
        return {name: mask for name, mask in shown.items() if name != "background"}

    with TestClient(api) as client:
        assert client.post("/setup", json={"schema": SEMANTIC}).status_code == 200
        free = predicted(client, key_point("cat", 50, 50))  # a point changes nothing
        assert free == drawn(client) != {}
        name = next(iter(free))
        chosen = {"type": "choices", "from_name": "tags", "value": {"choices": [name]}}
        assert predicted(client, chosen) == drawn(client, tags=name)
        context = {"result": [key_point("cat", 50, 50, is_positive=True)]}
        clicked = {"tasks": [task], "label_config": SEMANTIC, "params": {"context": context}}
        refused = client.post("/predict", json=clicked)
    assert refused.status_code == 404
    assert "takes no points" in refused.json()["error"]["message"]
