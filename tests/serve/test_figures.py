from wssis_serve.figures import Answered, Figures


def lines(figures: Figures) -> dict[str, float]:
    text = figures.text().decode()
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_requests_of_all_ingresses_are_summed() -> None:
    figures = Figures()
    one = Answered(route="/v1/segment", method="POST", status=200, seconds=0.2, num_instances=3)
    figures.count("a", [one, one], num_open=2)
    figures.count("b", [one], num_open=5)
    found = lines(figures)
    assert found['wssis_requests_total{method="POST",route="/v1/segment",status="200"}'] == 3
    assert found['wssis_request_seconds_count{route="/v1/segment"}'] == 3
    assert found['wssis_request_seconds_bucket{le="0.1",route="/v1/segment"}'] == 0
    assert found['wssis_request_seconds_bucket{le="0.25",route="/v1/segment"}'] == 3
    assert found['wssis_instances_total{route="/v1/segment"}'] == 9
    assert found['wssis_waiting_requests{ingress="a"}'] == 2
    assert found['wssis_waiting_requests{ingress="b"}'] == 5


def test_steps_and_batches_are_those_of_images() -> None:
    figures = Figures()
    refused = Answered(route="/v1/segment", method="POST", status=415, seconds=0.01)
    seen = Answered(
        route="/v1/segment",
        method="POST",
        status=200,
        seconds=0.3,
        num_instances=0,
        batch_size=4,
        steps={"decode": 0.02, "model": 0.2},
    )
    figures.count("a", [refused, seen], num_open=0)
    found = lines(figures)
    assert found["wssis_batch_size_count"] == 1
    assert found['wssis_batch_size_bucket{le="2.0"}'] == 0
    assert found['wssis_step_seconds_sum{step="decode"}'] == 0.02
