"""Metrics of a run that Prometheus reads from the endpoint of a real Ray."""

import re
import time
import urllib.request
from collections.abc import Iterator

import pytest

from ray_wssis import live_metrics
from ray_wssis.live_metrics import LabellingMetrics, TrainingMetrics

pytestmark = pytest.mark.slow

EXPORTED_WITHIN = 180  # seconds; in the tests Ray collects every four
AGAIN_EVERY = 2.0  # in proportion
FORGOTTEN_AFTER = 16  # a gauge that was not set again
STEPS = ("decode", "model")


@pytest.fixture(scope="module")
def exported(ray_session: None) -> dict[tuple[str, str, str], float]:
    """Values by name, stage and step, after some of a training and of a labelling."""
    line = {"step": 20.0, "loss": 1.5, "learning_rate": 0.01}
    speed = {"images_per_second": 32.0, "network_share": 0.75}
    TrainingMetrics("mine-1").show("teacher", 400, line | speed)
    places = {"decode": 3.0, "model": 2.0}
    labelling = LabellingMetrics("mine-1", "labels", 10, places)
    labelling.add({"num_images": 4, "num_failed": 0, "decode": 0.5, "model": 2.0}, STEPS)
    labelling.add({"num_images": 3, "num_failed": 1, "decode": 0.5, "model": 1.0}, STEPS)
    until = time.monotonic() + EXPORTED_WITHIN
    while time.monotonic() < until:
        found = dict(of_run("mine-1", read_endpoint()))
        if ("ray_wssis_labelling_failed_images_total", "labels", "") in found:
            return found
        time.sleep(1)
    raise AssertionError("nothing was exported")


def read_endpoint() -> str:
    import ray

    (node,) = ray.nodes()
    url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def of_run(run: str, text: str) -> Iterator[tuple[tuple[str, str, str], float]]:
    for line in text.splitlines():
        tags = dict(re.findall(r'(\w+)="([^"]*)"', line))
        if tags.get("run") == run:
            name, value = line.partition("{")[0], float(line.rpartition(" ")[2])
            yield (name, tags["stage"], tags.get("step", "")), value


def test_what_is_left_is_shown_as_long_as_a_pass_lasts(
    exported: dict[tuple[str, str, str], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_metrics, "AGAIN_EVERY", AGAIN_EVERY)
    with LabellingMetrics("mine-2", "labels", 10, {"model": 2.0}):
        time.sleep(FORGOTTEN_AFTER)
        text = read_endpoint()
    gauges = [("waiting_images", "", 10), ("processes", "model", 2)]
    lasting, over = dict(of_run("mine-2", text)), dict(of_run("mine-1", text))
    for name, step, value in gauges:
        key = (f"ray_wssis_labelling_{name}", "labels", step)
        assert lasting[key] == value
        assert key not in over


def test_training_shows_its_newest_line(exported: dict[tuple[str, str, str], float]) -> None:
    found = {name: it for (name, stage, _), it in exported.items() if stage == "teacher"}
    assert found == {
        "ray_wssis_training_step": 20,
        "ray_wssis_training_steps": 400,
        "ray_wssis_training_loss": 1.5,
        "ray_wssis_training_learning_rate": 0.01,
        "ray_wssis_training_images_per_second": 32,
        "ray_wssis_training_network_share": 0.75,
    }


def test_labelling_shows_sums_and_what_is_left(
    exported: dict[tuple[str, str, str], float],
) -> None:
    found = {(name, step): it for (name, stage, step), it in exported.items() if stage == "labels"}
    assert found == {
        ("ray_wssis_labelling_images_total", ""): 7,
        ("ray_wssis_labelling_failed_images_total", ""): 1,
        ("ray_wssis_labelling_waiting_images", ""): 3,
        ("ray_wssis_labelling_busy_seconds_total", "decode"): 1,
        ("ray_wssis_labelling_busy_seconds_total", "model"): 3,
        ("ray_wssis_labelling_processes", "decode"): 3,
        ("ray_wssis_labelling_processes", "model"): 2,
    }
