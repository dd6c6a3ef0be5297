"""Logging of a run to the MLflow server that MLFLOW_TRACKING_URI names."""

import logging
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import yaml
from upath import UPath

from ray_wssis.artifacts import hash_of_values, short_hash
from ray_wssis.logs import run_id
from ray_wssis.report.run_folder import REPORT, RunFolder, Stage, finite
from ray_wssis.storage import is_local

if TYPE_CHECKING:
    from mlflow import MlflowClient

URI = "MLFLOW_TRACKING_URI"
EXPERIMENT = "ray-wssis"  # unless MLFLOW_EXPERIMENT_NAME names another
SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # a server that is down does not hold up a run
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",  # seconds
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # stdout is for the path of the report
}
MOST_PARAMETERS, MOST_METRICS = 100, 1000  # in one request
LONGEST_VALUE = 500  # characters in a parameter
NOT_DECISIVE = ("training_workers", "labelling_workers")  # they change no result
logger = logging.getLogger(__name__)


def log_to_mlflow(folder: UPath) -> None:
    """Send the finished stages of a run folder that the server lacks.  Warns, and never raises.

    A configuration has one MLflow run.  Its parameters are all values of the configuration, its
    metrics the training logs by step and the figures that stages measured, its artifact the report.
    """
    if not os.environ.get(URI):
        return
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # each retry is a line
    try:
        send(RunFolder.read(folder))
    except ImportError as error:
        logger.warning("MLflow: %s. Install it: pip install 'ray-wssis[mlflow]'", error)
    except Exception as error:  # whatever the server's trouble, the run continues
        logger.warning(
            "MLflow: cannot log to %s: %s. The run continues; `wssis report` sends what is missing",
            os.environ[URI],
            str(error).partition("\n")[0],
        )


def send(run: RunFolder) -> None:
    from mlflow import MlflowClient

    client = MlflowClient()
    mlflow_run, tags = open_run(client, run)
    for name, stage in run.stages.items():
        if tags.get(f"{name}.digest") == stage.digest:
            continue
        if name == REPORT:
            with local_copy(run.folder / name) as pages:
                client.log_artifacts(mlflow_run, str(pages), name)
        else:
            send_metrics(client, mlflow_run, metrics_of(stage))
        client.set_tag(mlflow_run, f"{name}.digest", stage.digest)
        if name == REPORT:
            client.set_terminated(mlflow_run)


def open_run(client: "MlflowClient", run: RunFolder) -> tuple[str, dict[str, str]]:
    """Id and tags of the MLflow run of this folder and configuration, created if needed."""
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
    experiment = client.get_experiment_by_name(name)
    number = client.create_experiment(name) if experiment is None else experiment.experiment_id
    values = dict(leaves(yaml.safe_load(run.config)))
    decisive = {key: x for key, x in values.items() if not key.startswith(NOT_DECISIVE)}
    tags = {"run": run_id(run.folder), "config": short_hash(hash_of_values(decisive))}
    known = client.search_runs(
        [number], " and ".join(f"tags.{key} = '{value}'" for key, value in tags.items())
    )
    if known:
        return known[0].info.run_id, known[0].data.tags
    from mlflow.entities import Param

    tags["folder"] = str(run.folder)
    created: str = client.create_run(number, tags=tags, run_name=run.name).info.run_id
    params = [Param(allowed(key), str(x)[:LONGEST_VALUE]) for key, x in values.items()]
    for start in range(0, len(params), MOST_PARAMETERS):
        client.log_batch(created, params=params[start : start + MOST_PARAMETERS])
    return created, tags


def leaves(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a configuration, with its dotted path."""
    if isinstance(values, dict):
        for key, inner in values.items():
            yield from leaves(inner, f"{path}.{key}" if path else str(key))
    else:
        yield path, values


def metrics_of(stage: Stage) -> Iterator[tuple[str, float, int]]:
    """Name, value and step of the figures of a stage.

    `training/teacher.loss.dice` is a curve, `figures/teacher.val.AP` was measured by a stage.  The
    dots are for stores of files, which cannot hold `loss` and `loss/dice` side by side.
    """
    for line in stage.log:
        for name, value in line.items():
            if name != "step" and value is not None:
                yield f"training/{stage.name}.{dotted(name)}", value, int(line["step"] or 0)
    for name, measured in stage.figures.items():
        if (figure := finite(measured)) is not None:
            yield f"figures/{dotted(name)}", figure, 0


def dotted(name: str) -> str:
    return name.replace("/", ".")


def send_metrics(
    client: "MlflowClient", mlflow_run: str, metrics: Iterable[tuple[str, float, int]]
) -> None:
    from mlflow.entities import Metric

    now = int(1000 * time.time())
    every = [Metric(allowed(name), value, now, step) for name, value, step in metrics]
    for start in range(0, len(every), MOST_METRICS):
        client.log_batch(mlflow_run, metrics=every[start : start + MOST_METRICS])


def allowed(name: str) -> str:
    """`name` with only the characters that MLflow accepts; class names may hold any."""
    return re.sub(r"[^\w\-./ ]", "_", name)


@contextmanager
def local_copy(folder: UPath) -> Iterator[Path]:
    """Yield `folder` on this machine: MLflow reads local files only."""
    if is_local(folder):
        yield Path(folder.path)
        return
    with TemporaryDirectory() as place:
        folder.fs.get(folder.path, f"{place}/report", recursive=True)
        yield Path(place, "report")
