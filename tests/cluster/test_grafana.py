"""The dashboard asks for metrics that exist, and its panels do not overlap."""

import json
import re
import time
import urllib.request
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from wssis_serve.figures import Figures

from ray_wssis.live_metrics import COUNTERS, GAUGES

FILE = Path(__file__).parents[2] / "cluster/grafana.json"
DASHBOARD = json.loads(FILE.read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
GRAPHS = [panel for panel in PANELS if panel["type"] != "row"]
OF_RAY = {
    "ray_node_cpu_utilization",
    "ray_node_disk_utilization_percentage",
    "ray_node_mem_total",
    "ray_node_mem_used",
    "ray_object_store_memory",
}
OF_GPUS = {"ray_node_gpus_utilization", "ray_node_gram_used"}  # only where there are some
WIDTH = 24  # columns of Grafana
EXPORTED_WITHIN = 180  # seconds


def asked_for() -> set[str]:
    """Return the names of all metrics in the dashboard."""
    expressions = [target["expr"] for panel in GRAPHS for target in panel["targets"]]
    found = [re.findall(r"\b(?:ray|wssis)_\w+", expression) for expression in expressions]
    assert all(found)
    return {name for names in found for name in names}


def of_serving() -> set[str]:
    """Return the names of all metrics of the endpoint."""
    suffixes = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}
    return {
        family.name + suffix
        for family in Figures().registry.collect()
        for suffix in suffixes[family.type]
    }


def test_every_figure_exists_and_none_of_ours_is_forgotten() -> None:
    ours = {f"ray_{name}" for name in GAUGES} | {f"ray_{name}_total" for name in COUNTERS}
    assert asked_for() <= ours | of_serving() | OF_RAY | OF_GPUS
    assert ours <= asked_for()
    assert {name.rpartition("_")[0] for name in of_serving()} <= {
        name.rpartition("_")[0] for name in asked_for()
    }


def test_panels_have_ids_of_their_own_and_a_data_source_to_choose() -> None:
    ids = [panel["id"] for panel in PANELS]
    assert len(set(ids)) == len(ids)
    assert [variable["name"] for variable in DASHBOARD["templating"]["list"]] == [
        "datasource",
        "run",
    ]
    assert {panel["datasource"]["uid"] for panel in GRAPHS} == {"${datasource}"}


def test_no_panel_lies_on_another() -> None:
    places = [panel["gridPos"] for panel in PANELS]
    assert all(place["x"] + place["w"] <= WIDTH for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or apart


@pytest.mark.slow
def test_ray_has_the_figures_of_its_nodes(ray_session: None) -> None:
    import ray

    (node,) = ray.nodes()
    url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    missing, until = OF_RAY, time.monotonic() + EXPORTED_WITHIN
    while missing and time.monotonic() < until:
        with urllib.request.urlopen(url, timeout=10) as answer:
            text = answer.read().decode()
        missing = {name for name in OF_RAY if not re.search(rf"^{name}{{", text, re.MULTILINE)}
        time.sleep(1)
    assert not missing
