"""The Ray cluster of this process: the one it was started for, or its own."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from upath import UPath

from ray_wssis.storage import is_local, locate

IN_A_RAY_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # set by Ray for the driver of a submitted job
QUIET = {  # on the driver's terminal; errors arrive as exceptions
    "ray.train": logging.WARNING,
    "ray.data": logging.ERROR,
    "ray._private.authentication": logging.ERROR,
}
SETTINGS = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",  # reports are collected this often
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",  # a worker's line appears once
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
OWN_CLUSTER = {
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # workers share this environment: no copy of the folder
    "OMP_WAIT_POLICY": "passive",  # threads of torch leave their core to others while they wait
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",  # no node of ours is ever drained
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # every streaming pass would print a spurious error
}


class Terminated(KeyboardInterrupt):
    """SIGTERM, from `ray job stop`, a queue or a machine that shuts down; treated like Ctrl-C."""


def configure() -> None:
    """Set the variables that Ray reads when it is imported; call this first."""
    own = {} if is_lent() else OWN_CLUSTER
    for name, value in (SETTINGS | own).items():
        os.environ.setdefault(name, value)


def is_lent() -> bool:
    """Tell whether the cluster existed before us and may grow; our own has only this machine."""
    return bool(os.environ.get("RAY_ADDRESS"))


def lasting(out: str) -> UPath:
    """Return the folder `out`.

    Raises ValueError if it would vanish with a Ray job, or if a file is in its place.
    """
    folder = locate(out)
    for place in (folder, *folder.parents) if is_local(folder) else ():
        if place.is_file():
            raise ValueError(f"--out {out}: {place} is a file, so no run can be in it")
    if IN_A_RAY_JOB in os.environ and is_local(folder) and not Path(out).expanduser().is_absolute():
        raise ValueError(
            f"--out {out} is relative: a Ray job runs in a copy of the working directory that is "
            "deleted afterwards. Give an absolute path or a URI that all nodes can reach."
        )
    return folder


def connect() -> None:
    """Attach to the cluster of RAY_ADDRESS (set in Ray jobs), or start one on this machine.

    Our own cluster has no dashboard.  Its ports are open, and require Ray's token.  From now on
    SIGTERM raises `Terminated`; Ray's own handler would exit without a word.
    """
    configure()
    import ray

    for name, level in QUIET.items():  # each time: a library of Ray's that came later was louder
        logging.getLogger(name).setLevel(level)
    if ray.is_initialized():
        return
    if is_lent():
        try:
            ray.init()
        except ConnectionError as error:
            raise ConnectionError(f"{error}. `wssis doctor` says what is wrong") from error
    else:
        with own_address():
            ray.init(
                address="local",
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.WARNING,
            )
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, terminate)


def terminate(_: int, __: FrameType | None) -> NoReturn:
    raise Terminated


@contextmanager
def own_address() -> Iterator[None]:
    """Tell the processes of a Ray that is started meanwhile that it is theirs.

    Without its address they look for the last cluster that `ray start` recorded, and Ray Train
    would monitor its workers there.
    """
    port = str(free_port())
    variables = {"RAY_ADDRESS": f"127.0.0.1:{port}", "RAY_GCS_SERVER_PORT": port}
    os.environ |= variables
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
