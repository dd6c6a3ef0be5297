"""What is counted of requests, as Prometheus reads it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A request, when it has been answered."""

    route: str  # as the OpenAPI file has it, `other` for what it has not
    method: str
    status: int
    seconds: float
    num_instances: int | None = None  # None: it did not ask for any
    batch_size: int | None = None  # pictures in the forward pass
    steps: dict[str, float] = field(default_factory=dict)  # seconds by step


class Figures:
    """Sums over all processes that speak HTTP."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "wssis_requests",
            "Requests that were answered",
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
            "Where the time of a picture goes: decode, wait, model, encode",
            ["step"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.batch_size = Histogram(
            "wssis_batch_size",
            "Pictures in the forward pass that a picture was in",
            buckets=BATCH_SIZES,
            registry=self.registry,
        )
        self.instances = Counter(
            "wssis_instances", "Instances in answers", ["route"], registry=self.registry
        )
        self.waiting = Gauge(
            "wssis_waiting_requests",
            "Requests that a door is at, those in queues included",
            ["door"],
            registry=self.registry,
        )

    def count(self, door: str, answered: Iterable[Answered], waiting: int) -> None:
        """Add what the process `door` answered; `waiting` requests are not yet."""
        self.waiting.labels(door).set(waiting)
        for each in answered:
            self.requests.labels(each.route, each.method, str(each.status)).inc()
            self.seconds.labels(each.route).observe(each.seconds)
            for step, seconds in each.steps.items():
                self.steps.labels(step).observe(seconds)
            if each.batch_size is not None:
                self.batch_size.observe(each.batch_size)
            if each.num_instances is not None:
                self.instances.labels(each.route).inc(each.num_instances)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self.registry)
