"""Keys of Kubernetes and KubeRay (ray.io/v1) that the manifests use; all others are refused.

Stricter than KubeRay's own schemas: whatever every pod here must have is required.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

Quantity = Annotated[str, Field(pattern=r"^\d+(m|Mi|Gi)?$")]
Resource = Literal["cpu", "memory", "nvidia.com/gpu"]


class Strict(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True, frozen=True)


class Metadata(Strict):
    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")


class Capabilities(Strict):
    drop: Annotated[list[Literal["ALL"]], Field(min_length=1)]


class ContainerSecurity(Strict):
    allow_privilege_escalation: Literal[False]
    capabilities: Capabilities


class SeccompProfile(Strict):
    type: Literal["RuntimeDefault"]


class PodSecurity(Strict):
    run_as_non_root: Literal[True]
    run_as_user: int = Field(gt=0)
    run_as_group: int = Field(gt=0)
    fs_group: int = Field(gt=0)
    seccomp_profile: SeccompProfile


class Resources(Strict):
    requests: dict[Resource, Quantity]
    limits: dict[Resource, Quantity]


class Variable(Strict):
    name: str
    value: str


class Mount(Strict):
    name: str
    mount_path: str = Field(pattern=r"^/")
    read_only: bool = False


class HttpGet(Strict):
    path: str = Field(pattern=r"^/")
    port: int


class Probe(Strict):
    http_get: HttpGet
    period_seconds: int = Field(gt=0)


class Container(Strict):
    name: str
    image: str
    security_context: ContainerSecurity
    resources: Resources
    env: list[Variable] = []
    volume_mounts: list[Mount] = []
    readiness_probe: Probe | None = None


class ClaimSource(Strict):
    claim_name: str


class SecretSource(Strict):
    secret_name: str


class Volume(Strict):
    name: str
    persistent_volume_claim: ClaimSource | None = None
    secret: SecretSource | None = None


class Toleration(Strict):
    key: str
    operator: Literal["Exists"]
    effect: Literal["NoSchedule"]


class PodSpec(Strict):
    security_context: PodSecurity
    containers: Annotated[list[Container], Field(min_length=1, max_length=1)]
    volumes: list[Volume] = []
    tolerations: list[Toleration] = []
    automount_service_account_token: bool = True
    restart_policy: Literal["Never"] | None = None


class PodTemplate(Strict):
    spec: PodSpec


class HeadGroup(Strict):
    ray_start_params: dict[str, str]
    template: PodTemplate


class WorkerGroup(HeadGroup):
    group_name: str
    replicas: int
    min_replicas: int = Field(ge=0)
    max_replicas: int = Field(ge=1)

    @model_validator(mode="after")
    def check_replicas(self) -> "WorkerGroup":
        if not self.min_replicas <= self.replicas <= self.max_replicas:
            raise ValueError(f"{self.group_name}: expected minReplicas <= replicas <= maxReplicas")
        return self


class AutoscalerOptions(Strict):
    version: Literal["v2"]
    idle_timeout_seconds: int = Field(gt=0)
    security_context: ContainerSecurity


class AuthOptions(Strict):
    mode: Literal["token"]


class ClusterSpec(Strict):
    ray_version: str
    enable_in_tree_autoscaling: Literal[True]
    autoscaler_options: AutoscalerOptions
    auth_options: AuthOptions
    head_group_spec: HeadGroup
    worker_group_specs: list[WorkerGroup]

    def pods(self) -> list[PodSpec]:
        return [group.template.spec for group in (self.head_group_spec, *self.worker_group_specs)]


class JobSpec(Strict):
    entrypoint: str
    backoff_limit: int = Field(ge=1)
    shutdown_after_job_finishes: Literal[True]
    ttl_seconds_after_finished: int = Field(ge=0)
    submitter_pod_template: PodTemplate
    ray_cluster_spec: ClusterSpec


class ServiceSpec(Strict):
    serve_config_v2: str = Field(alias="serveConfigV2")
    ray_cluster_config: ClusterSpec


class Storage(Strict):
    requests: dict[Literal["storage"], Quantity]


class ClaimSpec(Strict):
    access_modes: list[Literal["ReadWriteMany"]]
    storage_class_name: str
    resources: Storage


class Manifest(Strict):
    api_version: Literal["ray.io/v1"]
    metadata: Metadata


class RayCluster(Manifest):
    kind: Literal["RayCluster"]
    spec: ClusterSpec


class RayJob(Manifest):
    kind: Literal["RayJob"]
    spec: JobSpec


class RayService(Manifest):
    kind: Literal["RayService"]
    spec: ServiceSpec


class Claim(Strict):
    api_version: Literal["v1"]
    kind: Literal["PersistentVolumeClaim"]
    metadata: Metadata
    spec: ClaimSpec
