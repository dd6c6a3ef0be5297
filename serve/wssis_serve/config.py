"""Configuration of the endpoint: what is served, to whom, and how much of it."""

from typing import Literal

from pydantic import Field, model_validator

from ray_wssis.config import Config

TOKEN_VARIABLE = "WSSIS_TOKEN"


class ReplicaConfig(Config):
    """Processes with a network of their own.  Their number never changes an answer."""

    number: int = Field(default=1, ge=1)
    max_number: int | None = Field(default=None, ge=1)  # while requests queue; null: `number`
    cpus_each: float = Field(default=1, ge=0)  # reserved
    gpus_each: float = Field(default=0, ge=0)  # may be a fraction
    threads: int | None = Field(default=None, ge=1)  # of a network on CPUs; null: half the cores
    batch_size: int = Field(default=8, ge=1)  # images per forward pass
    # Passes of a student at once; null: one on a GPU, two on CPUs with half of the cores each.
    passes: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def check_number(self) -> "ReplicaConfig":
        if self.max_number is not None and self.max_number < self.number:
            raise ValueError(f"max_number {self.max_number} is below number {self.number}")
        return self


class ServeConfig(Config):
    model: str  # a run folder, or a model folder for a student alone
    student: ReplicaConfig = ReplicaConfig()
    runtime: Literal["auto", "torch", "onnx"] = "auto"  # of the student; auto: the faster one
    labeller: ReplicaConfig = ReplicaConfig()  # teacher and refiner; only of a run
    ingresses: int = Field(default=1, ge=1)  # processes that speak HTTP
    ingress_cpus: float = Field(default=1, ge=0)  # reserved for each

    # Places: paths or URIs.  No request reads or writes anywhere else.
    images: tuple[str, ...] = ()  # folders that jobs and annotation tools may read
    jobs: str | None = None  # folder for the work of bulk jobs; null: there are none
    queue: str | None = None  # folder of images that people label on the page
    labels: str | None = None  # COCO file of their labels; null: labels.json in `queue`
    review: bool = False  # people review the worst pseudo masks of the run `model` on the page
    models: tuple[str, ...] = ()  # folders that `reload` may read, besides that of `model`
    label_studio_files: str | None = None  # media folder of a Label Studio on this machine

    # Callers.
    token: str | None = None  # better in the environment, as WSSIS_TOKEN
    token_file: str | None = None
    hosts: tuple[str, ...] = ()  # names of this server, besides localhost

    # Limits.
    max_megabytes: float = Field(default=20, gt=0)  # of a request
    max_megapixels: float = Field(default=50, gt=0)  # of an image
    max_instances: int = Field(default=300, ge=1, le=1000)  # of an answer
    max_points: int = Field(default=1000, ge=1)  # of a request
    requests_per_minute: int | None = Field(default=None, ge=1)  # of a client; null: any number
    max_waiting: int = Field(default=32, ge=1)  # requests at a time and ingress, then 503
    timeout_s: float = Field(default=60, gt=0)  # for a request
    remember_megabytes: float = Field(default=512, ge=0)  # of images that are being clicked

    @model_validator(mode="after")
    def check_work(self) -> "ServeConfig":
        if self.queue is not None and self.review:
            raise ValueError("a page has one kind of work: give queue or review, not both")
        return self
