"""The Ray cluster that this process works on: the one it was started for, or its own."""

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
QUIET = {  # on the driver's terminal; what goes wrong comes as an exception
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
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",  # no node of ours is announced to go away
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # each streaming pass would print an error that is none
}


class Terminated(KeyboardInterrupt):
    """SIGTERM came, from `ray job stop`, a queue, or a machine that shuts down.  As Ctrl-C."""


def configure() -> None:
    """Set what Ray reads when it is imported: to be called before that."""
    own = {} if is_lent() else OWN_CLUSTER
    for name, value in (SETTINGS | own).items():
        os.environ.setdefault(name, value)


def is_lent() -> bool:
    """Whether the cluster was there before us and may have nodes to come; ours has this machine."""
    return bool(os.environ.get("RAY_ADDRESS"))


def lasting(out: str) -> UPath:
    """The folder `out`.  Raises ValueError for one that would vanish with a Ray job."""
    folder = locate(out)
    for place in (folder, *folder.parents) if is_local(folder) else ():
        if place.is_file():
            raise ValueError(f"--out {out}: {place} is a file, so no run can be in it")
    if IN_A_RAY_JOB in os.environ and is_local(folder) and not Path(out).expanduser().is_absolute():
        raise ValueError(
            f"--out {out} is relative: a Ray job runs in a copy of the working directory that is "
            "thrown away afterwards. Give an absolute path or a URI that all nodes can reach."
        )
    return folder


def connect() -> None:
    """Attach to the cluster of RAY_ADDRESS (set in Ray jobs), or start one on this machine.

    A cluster of our own has no dashboard.  Its ports are open, and ask for Ray's token.  From now
    on SIGTERM is `Terminated`; Ray's own handler would leave without a word.
    """
    configure()
    import ray

    if ray.is_initialized():
        return
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(level)
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
    """The processes of a Ray that is started meanwhile know that it is theirs.

    Without its address they look for the last cluster that `ray start` left a note of, and Ray
    Train would watch over its workers there.
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
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
