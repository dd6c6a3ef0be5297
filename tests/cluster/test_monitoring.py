"""The scrape targets of Prometheus exist: the port of the pods, the endpoint and its token."""

from pathlib import Path, PurePosixPath
from typing import Any

import yaml

CLUSTER = Path(__file__).parents[2] / "cluster"


def service() -> dict[str, Any]:
    manifest: dict[str, Any] = yaml.safe_load((CLUSTER / "rayservice.yaml").read_text())
    return manifest


def monitors() -> list[Any]:
    return list(yaml.safe_load_all((CLUSTER / "monitoring.yaml").read_text()))


def test_all_pods_of_ray_are_read_where_kuberay_opens_a_port() -> None:
    nodes, _ = monitors()
    assert (nodes["apiVersion"], nodes["kind"]) == ("monitoring.coreos.com/v1", "PodMonitor")
    assert nodes["spec"] == {
        "selector": {"matchLabels": {"ray.io/is-ray-node": "yes"}},
        "podTargetLabels": ["ray.io/cluster"],
        "podMetricsEndpoints": [{"port": "metrics"}],
    }


def test_the_endpoint_is_read_once_and_with_its_token() -> None:
    _, endpoint = monitors()
    assert endpoint["apiVersion"] == "monitoring.coreos.com/v1alpha1"
    assert endpoint["kind"] == "ScrapeConfig"
    (static,) = endpoint["spec"]["staticConfigs"]
    (target,) = static["targets"]
    host, _, port = target.partition(":")
    served = yaml.safe_load(service()["spec"]["serveConfigV2"])
    assert host.partition(".")[0] == f"{service()['metadata']['name']}-serve-svc"
    assert int(port) == served["http_options"]["port"]
    (application,) = served["applications"]
    token = PurePosixPath(application["args"]["token_file"])
    (secret,) = {
        volume["secret"]["secretName"]
        for volume in service()["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"][
            "volumes"
        ]
        if "secret" in volume
    }
    assert endpoint["spec"]["authorization"] == {"credentials": {"name": secret, "key": token.name}}
