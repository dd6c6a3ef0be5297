"""What tests of several folders need: one local Ray, and one small run of everything."""

import logging
import os
from collections.abc import Iterator

# Ray and torch read these when they are imported, here and in workers.
os.environ |= {
    "OMP_NUM_THREADS": "1",  # processes share the cores: threads would wait for each other
    "RAY_metrics_report_interval_ms": "4000",
    "RAY_AUTH_MODE": "disabled",  # no token file in the home of whoever runs the tests
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.1",  # each report waits for this poll
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",  # prints come once
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # workers share this environment
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # leave CUDA_VISIBLE_DEVICES alone without GPUs
    "WSSIS_STORAGE_PATIENCE": "60",  # seconds; a test whose storage is gone fails soon
}
os.environ.pop("RAY_ADDRESS", None)  # never somebody's cluster

import pytest
from hypothesis import settings

from ray_wssis.session import own_address
from tests.support.shapes import check_shapes
from tests.support.small_run import SMALL, Submitted, running_head, submit

check_shapes()

settings.register_profile("busy", deadline=None)  # no test fails because a machine is busy
settings.load_profile("busy")


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """A local Ray of 4 logical CPUs, the same one for every test of a process that asks."""
    import ray

    with own_address():
        ray.init(
            address="local",
            num_cpus=4,
            num_gpus=0,
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=500_000_000,
            logging_level=logging.ERROR,
        )
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def ray_head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the dashboard of a Ray of its own."""
    with running_head(tmp_path_factory.mktemp("head") / "log") as address:
        yield address


@pytest.fixture(scope="session")
def small_run(ray_head: str, tmp_path_factory: pytest.TempPathFactory) -> Submitted:
    """The whole method on a handful of shapes: every stage real, two minutes in all."""
    folder = tmp_path_factory.mktemp("small_run")
    page = ["jobs/full_pipeline.py", "--config", "shapes", "--out", str(folder)]
    sets = [word for change in SMALL for word in ("--set", change)]
    return Submitted(folder, submit(ray_head, *page, *sets))
