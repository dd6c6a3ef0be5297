"""Counts of requests, in Prometheus' text format."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A request that has been answered."""

    route: str  # as in the OpenAPI document, `other` for a path that is not in it
    method: str
    status: int
    seconds: float
    num_instances: int | None = None  # None: it did not ask for any
    batch_size: int | None = None  # images in the forward pass
    steps: dict[str, float] = field(default_factory=dict)  # seconds by step


class Figures:
    """Sums over all processes that speak HTTP."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "wssis_requests",
            "Answered requests",
            ["route", "method", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "wssis_request_seconds",
            "From the first byte of a request to its answer",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.steps = Histogram(
            "wssis_step_seconds",
            "Time of an image by step: decode, wait, model, encode",
            ["step"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.batch_size = Histogram(
            "wssis_batch_size",
            "Images in the forward pass of an image, itself included",
            buckets=BATCH_SIZES,
            registry=self.registry,
        )
        self.instances = Counter(
            "wssis_instances", "Instances in answers", ["route"], registry=self.registry
        )
        self.open = Gauge(
            "wssis_waiting_requests",
            "Requests without an answer yet, queued ones included",
            ["ingress"],
            registry=self.registry,
        )

    def count(self, ingress: str, answered: Iterable[Answered], num_open: int) -> None:
        """Add the answers of the process `ingress`, which is working on `num_open` others."""
        self.open.labels(ingress).set(num_open)
        for request in answered:
            self.requests.labels(request.route, request.method, str(request.status)).inc()
            self.seconds.labels(request.route).observe(request.seconds)
            for step, seconds in request.steps.items():
                self.steps.labels(step).observe(seconds)
            if request.batch_size is not None:
                self.batch_size.observe(request.batch_size)
            if request.num_instances is not None:
                self.instances.labels(request.route).inc(request.num_instances)

    def text(self) -> bytes:
        """All sums in Prometheus' text format."""
        return generate_latest(self.registry)
