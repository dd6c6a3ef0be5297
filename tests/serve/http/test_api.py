import io
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from ray_wssis.data.coco.read import read_coco
from tests.serve.conftest import MakeApi, listening

PNG = {"Content-Type": "image/png"}


def points(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"points": json.dumps(entries)}


def error(response: httpx2.Response) -> tuple[int, str]:
    (body,) = response.json().values()
    assert set(body) == {"code", "message"}
    return response.status_code, body["code"]


def test_an_image_comes_as_a_body_or_in_a_form(client: httpx2.Client, image: bytes) -> None:
    query = {"threshold": "0.1", "max_instances": "5"}
    as_body = client.post("/v1/segment", params=query, content=image, headers=PNG)
    as_form = client.post("/v1/segment", data=query, files={"image": ("a.png", image)})
    assert as_body.status_code == 200
    assert as_body.json() == as_form.json()
    answer = as_body.json()
    assert answer["image"]["width"] == answer["image"]["height"] == 160
    scores = [instance["score"] for instance in answer["instances"]]
    assert len(scores) == 5
    assert scores == sorted(scores, reverse=True)
    assert min(scores) >= 0.1


def test_masks_come_in_the_format_that_was_asked_for(client: httpx2.Client, image: bytes) -> None:
    for wanted, field in (("rle", "rle"), ("polygon", "polygons"), ("png", "png")):
        answer = client.post(f"/v1/segment?format={wanted}", content=image, headers=PNG)
        for instance in answer.json()["instances"]:
            assert {"rle", "polygons", "png"} & set(instance) == {field}


def test_a_coco_file_of_the_image_can_be_read(
    client: httpx2.Client, image: bytes, tmp_path: Path
) -> None:
    query = {"format": "coco", "threshold": "0.1"}
    answer = client.post("/v1/segment", data=query, files={"image": ("cat.png", image)})
    (tmp_path / "found.json").write_bytes(answer.content)
    (record,) = read_coco(str(tmp_path / "found.json"), "")
    assert record.file == "cat.png"
    assert len(record.objects) == len(answer.json()["annotations"]) > 0


def test_points_get_masks_in_their_order(client: httpx2.Client, image: bytes) -> None:
    wanted = points(
        {"x": 80, "y": 80, "class": "circle"},
        {"x": 20.5, "y": 120, "category_id": 4, "clicks": [{"x": 30, "y": 120, "positive": False}]},
    )
    answer = client.post("/v1/segment/points", data=wanted, files={"image": ("a.png", image)})
    assert answer.status_code == 200
    first, second = answer.json()["instances"]
    assert (first["class"], first["point"]) == ("circle", [80, 80])
    assert (second["class"], second["point"]) == ("star", [20.5, 120])
    assert 0 <= first["expected_iou"] <= 1
    again = {"image_id": answer.json()["image"]["id"]} | wanted
    assert client.post("/v1/segment/points", files=as_files(again)).json() == answer.json()


def as_files(fields: dict[str, str]) -> dict[str, tuple[None, str]]:
    """Fields of a multipart form without a file."""
    return {name: (None, value) for name, value in fields.items()}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (422, "unprocessable")),
        ({"points": "[]"}, (422, "unprocessable")),
        ({"points": "nonsense"}, (422, "unprocessable")),
        ({"points": '[{"x": 1, "y": 2}]'}, (422, "unprocessable")),
        ({"points": '[{"x": 1, "y": 2, "class": "cow"}]'}, (422, "unprocessable")),
        ({"points": '[{"x": NaN, "y": 2, "class": "circle"}]'}, (422, "unprocessable")),
        ({"points": '[{"x": 1e9, "y": 2, "class": "circle"}]'}, (422, "unprocessable")),
        (points({"x": 1, "y": 2, "class": "ring"}) | {"image_id": "x"}, (400, "bad_request")),
    ],
)
def test_points_that_cannot_be_answered(
    client: httpx2.Client, image: bytes, fields: dict[str, str], expected: tuple[int, str]
) -> None:
    files = {"image": ("a.png", image)}
    assert error(client.post("/v1/segment/points", data=fields, files=files)) == expected


def test_an_unknown_image_is_asked_for_again(client: httpx2.Client) -> None:
    wanted = {"image_id": "f" * 32} | points({"x": 1, "y": 2, "class": "ring"})
    answer = client.post("/v1/segment/points", files=as_files(wanted))
    assert error(answer) == (404, "unknown_image")


def test_what_is_no_image_is_refused(client: httpx2.Client, image: bytes) -> None:
    def segment(content: bytes, kind: str) -> tuple[int, str]:
        headers = {"Content-Type": kind}
        return error(client.post("/v1/segment", content=content, headers=headers))

    assert segment(b"{}", "application/json") == (415, "unsupported_image")
    assert segment(b"nonsense", "image/png") == (415, "unsupported_image")
    assert segment(image[:300], "image/png") == (415, "unsupported_image")
    assert segment(b"", "image/png") == (400, "bad_request")
    assert segment(b"--x", "multipart/form-data") == (400, "bad_request")
    no_file = client.post("/v1/segment", files={"photo": ("a.png", image)})
    assert error(no_file) == (400, "bad_request")


@pytest.mark.parametrize(
    ("format", "kind"),
    [
        ("TIFF", "image/tiff"),
        ("BMP", "image/bmp"),
        ("BMP", "image/x-ms-bmp"),
        ("TIFF", "application/octet-stream"),
    ],
)
def test_tiff_and_bmp_get_the_same_answer(
    client: httpx2.Client, image: bytes, format: str, kind: str
) -> None:
    stream = io.BytesIO()
    Image.open(io.BytesIO(image)).convert("RGB").save(stream, format)
    answers = [
        client.post("/v1/segment", content=content, headers={"Content-Type": name}).json()
        for content, name in ((image, "image/png"), (stream.getvalue(), kind))
    ]
    assert answers[0]["instances"] == answers[1]["instances"]


def test_parameters_are_checked_wherever_they_are(client: httpx2.Client, image: bytes) -> None:
    wrong = {"threshold": "2"}
    files = {"image": ("a.png", image)}
    assert error(client.post("/v1/segment", params=wrong, files=files))[0] == 422
    assert error(client.post("/v1/segment", data=wrong, files=files))[0] == 422
    assert error(client.post("/v1/segment", data={"format": "bmp"}, files=files))[0] == 422


def test_limits_of_the_operator_hold(make_api: MakeApi, image: bytes) -> None:
    api = make_api(max_points=1, max_instances=2, max_megapixels=0.02)
    form = points({"x": 1, "y": 2, "class": "ring"}, {"x": 9, "y": 9, "class": "ring"})
    with listening(api) as url, httpx2.Client(base_url=url, timeout=60) as client:
        files = {"image": ("a.png", image)}
        many = client.post("/v1/segment/points", data=form, files=files)
        assert error(many) == (413, "too_large")
        large = client.post("/v1/segment", files=files)
        assert error(large) == (413, "too_large")
        assert "160 x 160" in large.json()["error"]["message"]


def test_models_say_what_can_be_asked(client: httpx2.Client) -> None:
    served = client.get("/v1/models").json()
    assert [model["name"] for model in served["models"]] == ["student", "teacher", "refiner"]
    assert served["calibrated"] and served["takes_points"] and not served["takes_jobs"]
    assert served["models"][0]["metrics"] == {"val/AP": 12.5}


def test_reload_reads_only_where_it_may(make_api: MakeApi, run_folder: Path) -> None:
    with listening(make_api()) as url, httpx2.Client(base_url=url, timeout=60) as client:
        before = client.get("/v1/models").json()
        elsewhere = client.post("/v1/models/reload", json={"model": "/etc"})
        assert error(elsewhere) == (404, "not_found")
        nothing = client.post("/v1/models/reload", json={"model": str(run_folder.parent)})
        assert error(nothing) == (422, "unprocessable")
        assert client.get("/v1/models").json() == before
        same = client.post("/v1/models/reload", json={"model": str(run_folder)})
        assert same.json() == before


def test_health_is_told_to_everybody(make_api: MakeApi) -> None:
    with (
        listening(make_api(token="secret")) as url,
        httpx2.Client(base_url=url, timeout=60) as client,
    ):
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/readyz").json() == {"status": "ready"}
        assert client.get("/").status_code == 200
        assert error(client.get("/v1/models")) == (401, "unauthorized")
        assert error(client.get("/metrics")) == (401, "unauthorized")
        known = {"Authorization": "Bearer secret"}
        assert client.get("/v1/models", headers=known).status_code == 200


def test_unknown_routes_and_methods_are_errors_of_the_same_form(client: httpx2.Client) -> None:
    assert error(client.get("/v1/nothing")) == (404, "not_found")
    assert error(client.get("/v1/segment")) == (405, "method_not_allowed")


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/v1/segment?treshold=0.5", "'treshold' is no parameter here; did you mean 'threshold'?"),
        ("/v1/segment?zoom=1", "there are threshold, max_instances, tags, format"),
        ("/v1/segment/points?format=png", "this route takes none in the query"),
    ],
)
def test_a_misspelt_parameter_is_named(
    client: httpx2.Client, image: bytes, path: str, hint: str
) -> None:
    answer = client.post(path, content=image, headers=PNG)
    assert error(answer) == (422, "unprocessable")
    assert hint in answer.json()["error"]["message"]


def test_a_misspelt_field_of_a_form_is_named(client: httpx2.Client, image: bytes) -> None:
    files = {"image": ("a.png", image)}
    answer = client.post("/v1/segment", data={"treshold": "0.5"}, files=files)
    assert error(answer) == (422, "unprocessable")
    assert "did you mean 'threshold'?" in answer.json()["error"]["message"]
    assert client.post("/v1/segment", data={"note": "a cat"}, files=files).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/v1/models", "/v1/nothing", "/v1/segment"])
def test_the_id_of_a_request_is_in_its_answer(client: httpx2.Client, path: str) -> None:
    assert client.get(path, headers={"X-Request-Id": "a-1"}).headers["X-Request-Id"] == "a-1"
