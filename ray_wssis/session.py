"""The Ray cluster of this process: the one it was started for, or its own."""

import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from upath import UPath

from ray_wssis.storage import is_local, locate

IN_A_RAY_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # set by Ray for the driver of a submitted job
QUIET = {  # on the driver's terminal; errors arrive as exceptions
    "ray.train": logging.WARNING,
    "ray._private.authentication": logging.ERROR,
}
SETTINGS = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",  # reports are collected this often
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",  # a worker's line appears once
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
OWN_CLUSTER = {
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # workers share this environment: no copy of the folder
    # Threads of torch leave their core to others while they wait, after some 20 us: waking them for
    # each layer would make training a fifth slower, and labelling a third.
    "OMP_WAIT_POLICY": "passive",
    "GOMP_SPINCOUNT": "20000",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",  # no node of ours is ever drained
}
LENT_CLUSTER = {
    "RAY_NUM_REDIS_GET_RETRIES": "2",  # tries, 40 s each, to hear from what may be no head node
}
ANSWERS_WITHIN = 10.0  # seconds

logger = logging.getLogger(__name__)


class Terminated(KeyboardInterrupt):
    """SIGTERM, from `ray job stop`, a queue or a machine that shuts down; treated like Ctrl-C."""


def configure() -> None:
    """Set the variables that Ray reads when it is imported; call this first."""
    own = LENT_CLUSTER if is_lent() else OWN_CLUSTER
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
    SIGTERM raises `Terminated`; Ray's own handler would exit without a word.  Raises
    ConnectionError, which says what to do, when Ray cannot be reached or does not start.
    """
    configure()
    import ray

    for name, level in QUIET.items():  # each time: a library of Ray's that came later was louder
        logging.getLogger(name).setLevel(level)
    if ray.is_initialized():
        return
    if is_lent():
        attach(os.environ["RAY_ADDRESS"])
    else:
        start()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, terminate)


def attach(address: str) -> None:
    """Attach to a cluster.  Ray itself would wait for minutes where nothing answers.

    What its processes print stays in their files on the nodes; what matters comes as errors and
    warnings of ours.
    """
    import ray

    try:
        if address not in ("auto", "local"):
            check_answers(address)
        shorten_reports()
        ray.init(log_to_driver=False, logging_level=logging.WARNING)
    except Exception as error:  # Ray has no class of its own for this
        raise ConnectionError(
            f"RAY_ADDRESS={address}: {first_sentence(error)}. Is the cluster up, and are Ray and "
            "Python the same there? `wssis doctor` says what is wrong; without RAY_ADDRESS, this "
            "machine is used"
        ) from error


def shorten_reports() -> None:
    """Log one line for each event that nodes of Ray report, a lost node for instance.

    Ray prints pages, with tracebacks of its own code, which are in files of the node too.
    """
    from ray._private import worker

    printer: Any = worker  # there is no public way

    def say(report: Any, ignore_prefix: bool) -> None:
        text = " ".join(str(report["lines"][0]).split())
        logger.warning("Ray: %s", text.partition(". ")[0].rstrip("."))

    printer.print_to_stdstream = say


def check_answers(address: str) -> None:
    """Raise ValueError for what is no HOST:PORT, and OSError if nothing answers there."""
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdigit():
        raise ValueError("this is not HOST:PORT of a head node, as `ray start --head` prints it")
    try:
        socket.create_connection((host, int(port)), timeout=ANSWERS_WITHIN).close()
    except OSError as error:
        raise OSError(f"nothing answers there ({error.strerror or error})") from error


def start() -> None:
    """Start Ray on this machine; once more if it was only too slow."""
    import ray

    for last in (False, True):
        try:
            with own_address():
                ray.init(
                    address="local",
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.WARNING,
                )
            return
        except Exception as error:  # Ray has no class of its own for this
            ray.shutdown()
            reason = first_sentence(error)
            if last or isinstance(error, OSError | ValueError):
                raise ConnectionError(
                    f"Ray did not start on this machine: {reason}. There are {room()}. Make room, "
                    "or wait until the machine is less busy, and give the command again; the logs "
                    "of Ray are in /tmp/ray/session_latest/logs"
                ) from error
            logger.warning("Ray did not start (%s); trying once more", reason)


def first_sentence(error: Exception) -> str:
    """The beginning of a message of Ray's, which may have many lines."""
    text = " ".join(str(error).split())
    return text.partition(". ")[0].rstrip(".") or type(error).__name__


def room() -> str:
    """Free space where Ray needs some, and the load, in words."""
    spaces = {
        name: shutil.disk_usage(name).free / 1e9
        for name in (tempfile.gettempdir(), "/dev/shm")
        if Path(name).is_dir()
    }
    free = " and ".join(f"{size:.1f} GB free in {name}" for name, size in spaces.items())
    return f"{free}, and the load is {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores"


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
