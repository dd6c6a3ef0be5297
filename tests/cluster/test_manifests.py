"""The Kubernetes manifests are well-formed, and their numbers and paths are consistent."""

import json
import shlex
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from pydantic import BaseModel, ValidationError
from wssis_serve.config import ServeConfig

from ray_wssis.config import load_config
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from tests.cluster.kuberay import (
    Claim,
    ClusterSpec,
    PodSpec,
    RayCluster,
    RayJob,
    RayService,
    WorkerGroup,
)

ROOT = Path(__file__).parents[2]
KINDS: dict[str, type[BaseModel]] = {
    "raycluster": RayCluster,
    "rayjob": RayJob,
    "rayservice": RayService,
    "storage": Claim,
}
CLUSTERS = ["raycluster", "rayjob", "rayservice"]

each_cluster = pytest.mark.parametrize("name", CLUSTERS)


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / f"cluster/{name}.yaml").read_text())


def job() -> RayJob:
    return RayJob.model_validate(read("rayjob"))


def service() -> RayService:
    return RayService.model_validate(read("rayservice"))


def cluster(name: str) -> ClusterSpec:
    return {
        "raycluster": lambda: RayCluster.model_validate(read(name)).spec,
        "rayjob": lambda: job().spec.ray_cluster_spec,
        "rayservice": lambda: service().spec.ray_cluster_config,
    }[name]()


def pods(name: str) -> list[PodSpec]:
    submitter = [job().spec.submitter_pod_template.spec] if name == "rayjob" else []
    return [*cluster(name).pods(), *submitter]


def group(name: str, wanted: str) -> WorkerGroup:
    (found,) = [spec for spec in cluster(name).worker_group_specs if spec.group_name == wanted]
    return found


def limits(of: WorkerGroup) -> dict[str, int]:
    """Return the CPUs and GPUs of one pod."""
    given = of.template.spec.containers[0].resources.limits
    return {"cpu": int(given["cpu"]), "gpu": int(given.get("nvidia.com/gpu", 0))}


def project() -> Any:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def pinned_ray() -> str:
    pins = dict(pin.split("==") for pin in project()["tool"]["uv"]["constraint-dependencies"])
    return str(pins["ray"])


def image() -> str:
    return f"ray-wssis:{project()['project']['version']}-ray{pinned_ray()}"


def loaded_job() -> PointWSSISConfig:
    """Return the configuration that the entrypoint of the job names and changes."""
    words = shlex.split(job().spec.entrypoint)
    changes = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    return load_config(PointWSSISConfig, words[words.index("--config") + 1], changes)


def check_as_kuberay_does(values: Any) -> None:
    schemas = json.loads((Path(__file__).parent / "kuberay_schemas.json").read_text())
    jsonschema.validate(values, schemas | {"$ref": f"#/$defs/{values['kind']}"})


@each_cluster
def test_it_is_what_kuberay_takes(name: str) -> None:
    check_as_kuberay_does(read(name))


@pytest.mark.parametrize(
    "key, value, message",
    [
        ("entryPoint", "python x.py", "'entryPoint' was unexpected"),
        ("backoffLimit", "3", "'3' is not of type 'integer'"),
    ],
)
def test_what_kuberay_would_refuse_is_seen(key: str, value: str, message: str) -> None:
    values = read("rayjob")
    values["spec"][key] = value
    with pytest.raises(jsonschema.ValidationError, match=message):
        check_as_kuberay_does(values)


def test_a_misspelled_key_deep_in_a_pod_is_seen() -> None:
    values = read("rayjob")
    (group, *_) = values["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    group["template"]["spec"]["containers"][0]["resource"] = {}
    with pytest.raises(jsonschema.ValidationError, match="'resource' was unexpected"):
        check_as_kuberay_does(values)


@pytest.mark.parametrize("name", KINDS)
def test_the_keys_that_we_use_are_these(name: str) -> None:
    KINDS[name].model_validate(read(name))


@pytest.mark.parametrize(
    "key, value",
    [("entryPoint", "python x.py"), ("backoffLimit", "3"), ("shutdownAfterJobFinishes", False)],
)
def test_a_wrong_key_or_value_is_seen(key: str, value: object) -> None:
    values = read("rayjob")
    values["spec"][key] = value
    with pytest.raises(ValidationError, match=key):
        RayJob.model_validate(values)


@each_cluster
def test_ray_is_the_one_that_the_project_pins(name: str) -> None:
    assert cluster(name).ray_version == pinned_ray()
    assert {pod.containers[0].image for pod in pods(name)} == {image()}


@each_cluster
def test_no_work_is_placed_on_the_head(name: str) -> None:
    assert cluster(name).head_group_spec.ray_start_params == {"num-cpus": "0"}


@each_cluster
def test_only_the_head_talks_to_kubernetes(name: str) -> None:
    head, *others = pods(name)
    assert head.automount_service_account_token
    assert not any(pod.automount_service_account_token for pod in others)


def test_all_of_them_fit_into_one_namespace() -> None:
    names = [read(name)["metadata"]["name"] for name in KINDS]
    assert len(set(names)) == len(names)  # KubeRay names services and secrets after them


@each_cluster
def test_every_node_sees_the_shared_storage(name: str) -> None:
    claim = Claim.model_validate(read("storage")).metadata.name
    for pod in cluster(name).pods():
        sources = {volume.name: volume.persistent_volume_claim for volume in pod.volumes}
        mounts = pod.containers[0].volume_mounts
        (shared,) = [mount for mount in mounts if mount.mount_path == "/shared"]
        source = sources[shared.name]
        assert source is not None
        assert source.claim_name == claim


@each_cluster
def test_workers_get_the_memory_that_they_ask_for(name: str) -> None:
    for pod in cluster(name).pods():
        resources = pod.containers[0].resources
        assert resources.requests == resources.limits


def test_the_job_runs_a_page_of_this_checkout() -> None:
    program, page = shlex.split(job().spec.entrypoint)[:2]
    assert program == "python"
    assert (ROOT / page).is_file()


def test_the_job_reads_and_writes_on_the_shared_storage_alone() -> None:
    words = shlex.split(job().spec.entrypoint)
    data = loaded_job().data
    named = [data.annotations, data.images, data.validation, data.validation_images]
    for place in [words[words.index("--out") + 1], *named]:
        assert PurePosixPath(str(place)).is_relative_to("/shared")


def test_training_finds_its_gpus_when_it_starts() -> None:
    workers, gpu = loaded_job().training_workers, group("rayjob", "gpu")
    assert workers.gpu is True
    assert workers.number == gpu.min_replicas * limits(gpu)["gpu"]
    assert (workers.cpus_each or 0) * limits(gpu)["gpu"] <= limits(gpu)["cpu"]


def test_labelling_finds_its_gpus() -> None:
    workers, gpu = loaded_job().labelling_workers, group("rayjob", "gpu")
    per_pod = limits(gpu)["gpu"] / (workers.gpus_each or 1)
    assert workers.number <= gpu.min_replicas * per_pod
    assert workers.max_number == gpu.max_replicas * per_pod


def test_what_is_served_is_what_serve_config_says() -> None:
    served = yaml.safe_load(service().spec.serve_config_v2)
    assert served == yaml.safe_load((ROOT / "serve/config.yaml").read_text())


def test_the_token_of_the_endpoint_is_a_mounted_secret() -> None:
    (application,) = yaml.safe_load(service().spec.serve_config_v2)["applications"]
    token = PurePosixPath(application["args"]["token_file"])
    for pod in cluster("rayservice").pods():
        (mount,) = [
            found
            for found in pod.containers[0].volume_mounts
            if found.mount_path == str(token.parent)
        ]
        (secret,) = [volume.secret for volume in pod.volumes if volume.name == mount.name]
        assert secret is not None
        manual = (ROOT / "cluster/rayservice.yaml").read_text()
        assert f"create secret generic {secret.secret_name} --from-literal={token.name}=" in manual


def test_the_pods_of_the_endpoint_have_room_for_its_replicas() -> None:
    (application,) = yaml.safe_load(service().spec.serve_config_v2)["applications"]
    config, gpu = ServeConfig.model_validate(application["args"]), group("rayservice", "gpu")
    fewest, most = config.student.number, config.student.max_number or config.student.number
    for students, pods in ((fewest, gpu.min_replicas), (most, gpu.max_replicas)):
        cpus, gpus = demand(config, students)
        assert cpus <= pods * limits(gpu)["cpu"]
        assert gpus <= pods * limits(gpu)["gpu"]


def demand(config: ServeConfig, students: int) -> tuple[float, float]:
    """Return CPUs and GPUs."""
    replicas = [(config.student, students), (config.labeller, config.labeller.number)]
    cpus = sum(number * replica.cpus_each for replica, number in replicas)
    gpus = sum(number * replica.gpus_each for replica, number in replicas)
    return cpus + config.ingresses * config.ingress_cpus, gpus


def test_a_pod_of_the_endpoint_is_ready_when_its_proxy_answers() -> None:
    probe = group("rayservice", "gpu").template.spec.containers[0].readiness_probe
    assert probe is not None
    port = yaml.safe_load(service().spec.serve_config_v2)["http_options"]["port"]
    assert (probe.http_get.path, probe.http_get.port) == ("/-/healthz", port)
