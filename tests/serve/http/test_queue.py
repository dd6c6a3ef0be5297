from pathlib import Path
from typing import Any

import numpy as np
from fastapi.testclient import TestClient
from PIL import Image

from ray_wssis.data.images.read import decode_image
from tests.serve.conftest import MakeApi

LOCAL = "http://localhost"


def test_an_image_is_read_and_its_labels_are_saved(make_api: MakeApi, tmp_path: Path) -> None:
    Image.new("RGB", (20, 10)).save(tmp_path / "a.jpg")
    Image.fromarray(np.arange(200, dtype=np.uint16).reshape(10, 20)).save(tmp_path / "b.tif")
    client = TestClient(make_api(queue=str(tmp_path)), LOCAL)
    assert client.get("/v1/models").json()["has_queue"] is True
    listed = client.get("/v1/queue").json()
    assert [image["name"] for image in listed["images"]] == ["a.jpg", "b.tif"]

    plain = client.get("/v1/queue/images/a.jpg")
    assert plain.headers["content-type"] == "image/jpeg"
    assert plain.content == (tmp_path / "a.jpg").read_bytes()
    assert plain.headers["cross-origin-resource-policy"] == "same-origin"
    shown = client.get("/v1/queue/images/b.tif")  # which no browser shows
    assert shown.headers["content-type"] == "image/png"
    stretched = decode_image("b", (tmp_path / "b.tif").read_bytes())
    assert (decode_image("b", shown.content) == stretched).all()

    known = client.get("/v1/queue/labels/a.jpg").json()
    wanted: dict[str, Any] = {"revision": known["revision"], "state": "done"}
    wanted |= {"objects": [{"category_id": 2, "point": [3, 4]}]}
    saved = client.post("/v1/queue/labels/a.jpg", json=wanted)
    assert saved.status_code == 200
    assert client.get("/v1/queue/labels/a.jpg").json() == saved.json()
    assert client.get("/v1/queue/file").content == (tmp_path / "labels.json").read_bytes()
    suggested = client.get("/v1/queue/suggestions/a.jpg").json()
    assert (listed["has_suggestions"], suggested) == (False, {"objects": []})
    wanted["objects"] = []
    refused = client.post("/v1/queue/labels/a.jpg", json=wanted)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")


def test_pages_of_other_sites_can_do_nothing(make_api: MakeApi, tmp_path: Path) -> None:
    Image.new("RGB", (20, 10)).save(tmp_path / "a.jpg")
    api = make_api(queue=str(tmp_path))
    wanted = {"revision": "", "state": "done", "objects": []}
    routes = [
        ("GET", "/v1/queue"),
        ("GET", "/v1/queue/file"),
        ("GET", "/v1/queue/images/a.jpg"),
        ("GET", "/v1/queue/labels/a.jpg"),
        ("GET", "/v1/queue/suggestions/a.jpg"),
        ("POST", "/v1/queue/labels/a.jpg"),
    ]
    for method, path in routes:
        json = wanted if method == "POST" else None
        other = TestClient(api, LOCAL).request(
            method, path, json=json, headers={"Origin": "http://evil.example"}
        )
        rebound = TestClient(api, "http://evil.example").request(method, path, json=json)
        assert (other.status_code, rebound.status_code) == (401, 401), path
    assert not (tmp_path / "labels.json").exists()


def test_without_a_queue_the_routes_say_how_to_offer_one(make_api: MakeApi) -> None:
    client = TestClient(make_api(), LOCAL)
    assert client.get("/v1/models").json()["has_queue"] is False
    answer = client.get("/v1/queue")
    assert answer.status_code == 404
    assert "--queue FOLDER" in answer.json()["error"]["message"]
