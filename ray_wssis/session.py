"""The Ray cluster that this process works on: the one it was started for, or its own."""

import logging
import os

import ray

QUIET = ("ray.data", "ray.train")  # they tell every step on the driver's terminal
SETTINGS = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",  # reports are collected this often
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",  # a worker's line appears once
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


def connect() -> None:
    """Attach to the cluster of RAY_ADDRESS (set in Ray jobs), or start one on this machine.

    A cluster of our own has no dashboard and listens to this machine alone.
    """
    if ray.is_initialized():
        return
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    if os.environ.get("RAY_ADDRESS"):
        ray.init()
        return
    ray.init(
        address="local",
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.WARNING,
        _node_ip_address="127.0.0.1",
    )
