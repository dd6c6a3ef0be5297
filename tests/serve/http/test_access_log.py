import logging

import httpx2
import pytest

from tests.serve.conftest import MakeApi, listening

PNG = {"Content-Type": "image/png"}


def test_every_request_is_counted(make_api: MakeApi, image: bytes) -> None:
    with listening(make_api()) as url, httpx2.Client(base_url=url, timeout=60) as client:
        found = client.post("/v1/segment", content=image, headers=PNG).json()["instances"]
        client.post("/v1/segment", content=b"nonsense", headers=PNG)
        client.get("/nowhere")
        text = client.get("/metrics").text
    assert 'requests_total{method="POST",route="/v1/segment",status="200"} 1.0' in text
    assert 'requests_total{method="POST",route="/v1/segment",status="415"} 1.0' in text
    assert 'requests_total{method="GET",route="other",status="404"} 1.0' in text
    assert f'instances_total{{route="/v1/segment"}} {len(found)}.0' in text
    assert 'step_seconds_count{step="model"} 1.0' in text


def test_where_the_log_is_json_each_request_is_a_line(
    make_api: MakeApi,
    image: bytes,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("WSSIS_LOG", "json")
    caplog.set_level(logging.INFO, logger="wssis_serve.http.access_log")
    with listening(make_api()) as url:
        seen = httpx2.post(f"{url}/v1/segment", content=image, headers=PNG, timeout=60)
        httpx2.get(f"{url}/nowhere", headers={"X-Request-Id": "a-1"}, timeout=60)
        httpx2.get(f"{url}/healthz", timeout=60)
        (student, *_) = httpx2.get(f"{url}/v1/models", timeout=60).json()["models"]
    names = ("request_id", "client", "path", "route", "status", "model")
    asked, unknown, _ = (
        {name: vars(record)[name] for name in names}
        for record in caplog.records
        if record.name == "wssis_serve.http.access_log"
    )
    assert asked == {
        "request_id": seen.headers["X-Request-Id"],
        "client": "127.0.0.1",
        "path": "/v1/segment",
        "route": "/v1/segment",
        "status": 200,
        "model": student["hash"],
    }
    assert unknown == {
        "request_id": "a-1",
        "client": "127.0.0.1",
        "path": "/nowhere",
        "route": "other",
        "status": 404,
        "model": None,
    }


def test_else_no_request_is_logged(client: httpx2.Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="wssis_serve.http.access_log")
    client.get("/healthz")
    assert not [record for record in caplog.records if record.name == "wssis_serve.http.access_log"]
