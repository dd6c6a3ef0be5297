"""A run on an MLflow server, when MLFLOW_TRACKING_URI says which one."""

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
from ray_wssis.report.run_folder import Run, read_json
from ray_wssis.storage import is_local

if TYPE_CHECKING:
    from mlflow import MlflowClient

URI = "MLFLOW_TRACKING_URI"
EXPERIMENT = "ray-wssis"  # unless MLFLOW_EXPERIMENT_NAME says another
SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # a server that is gone does not hold up a run
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",  # seconds
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # the path of the report is alone there
}
MOST_PARAMETERS, MOST_METRICS = 100, 1000  # of a request
LONGEST_VALUE = 500  # characters of a parameter
NOT_DECISIVE = ("training_workers", "labelling_workers")  # they change nothing that comes out
logger = logging.getLogger(__name__)


def log_to_mlflow(folder: UPath) -> None:
    """Send what is finished in a run folder and not there yet.  Warns, and never raises.

    Of a configuration there is one MLflow run: its parameters are all values, its metrics those
    of the training logs by step and the figures of the evaluation, its artifact the report.
    """
    if not os.environ.get(URI):
        return
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # each retry is a line
    try:
        send(Run.read(folder))
    except ImportError as error:
        logger.warning("MLflow: %s. Install it: pip install 'ray-wssis[mlflow]'", error)
    except Exception as error:  # whatever is the matter with the server, the run goes on
        said = str(error).partition("\n")[0]
        logger.warning(
            "MLflow: %s takes nothing: %s. The run goes on; `wssis report` sends what is missing",
            os.environ[URI],
            said,
        )


def send(run: Run) -> None:
    from mlflow import MlflowClient

    client = MlflowClient()
    there, tags = open_run(client, run)
    for stage, manifest in run.manifests.items():
        if tags.get(f"{stage}.digest") != manifest["digest"]:
            send_metrics(client, there, metrics_of(run, stage))
            client.set_tag(there, f"{stage}.digest", manifest["digest"])
    report = read_json(run.folder / "report" / "manifest.json")
    if report and tags.get("report.digest") != report["digest"]:
        with local_copy(run.folder / "report") as pages:
            client.log_artifacts(there, str(pages), "report")
        client.set_tag(there, "report.digest", report["digest"])
        client.set_terminated(there)


def open_run(client: "MlflowClient", run: Run) -> tuple[str, dict[str, str]]:
    """Id and tags of the MLflow run of this folder and configuration, which is made if need be."""
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
    experiment = client.get_experiment_by_name(name)
    number = client.create_experiment(name) if experiment is None else experiment.experiment_id
    values = dict(leaves(yaml.safe_load(run.config)))
    decisive = {key: it for key, it in values.items() if not key.startswith(NOT_DECISIVE)}
    tags = {"run": run_id(run.folder), "config": short_hash(hash_of_values(decisive))}
    known = client.search_runs(
        [number], " and ".join(f"tags.{key} = '{value}'" for key, value in tags.items())
    )
    if known:
        return known[0].info.run_id, known[0].data.tags
    from mlflow.entities import Param

    tags["folder"] = str(run.folder)
    there: str = client.create_run(number, tags=tags, run_name=run.folder.name).info.run_id
    params = [Param(allowed(key), str(it)[:LONGEST_VALUE]) for key, it in values.items()]
    for start in range(0, len(params), MOST_PARAMETERS):
        client.log_batch(there, params=params[start : start + MOST_PARAMETERS])
    return there, tags


def leaves(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a configuration, with its dotted path."""
    if isinstance(values, dict):
        for key, inner in values.items():
            yield from leaves(inner, f"{path}.{key}" if path else str(key))
    else:
        yield path, values


def metrics_of(run: Run, stage: str) -> Iterator[tuple[str, float, int]]:
    """Name, value and step of the figures of a stage.

    `training/teacher.loss.dice` is a curve, `figures/teacher.val.AP` was measured in the end.  The
    dots are for stores of files, where `loss` and `loss/dice` cannot be beside each other.
    """
    for line in run.logs[stage]:
        for name, value in line.items():
            if name != "step" and value is not None:
                yield f"training/{stage}.{dotted(name)}", value, int(line["step"] or 0)
    if stage == "evaluation":
        for name in run.metrics:
            if (figure := run.figure(name)) is not None:
                yield f"figures/{dotted(name)}", figure, 0


def dotted(name: str) -> str:
    return name.replace("/", ".")


def send_metrics(
    client: "MlflowClient", there: str, metrics: Iterable[tuple[str, float, int]]
) -> None:
    from mlflow.entities import Metric

    now = int(1000 * time.time())
    every = [Metric(allowed(name), value, now, step) for name, value, step in metrics]
    for start in range(0, len(every), MOST_METRICS):
        client.log_batch(there, metrics=every[start : start + MOST_METRICS])


def allowed(name: str) -> str:
    """A name with the characters that MLflow takes; those of classes may be any."""
    return re.sub(r"[^\w\-./ ]", "_", name)


@contextmanager
def local_copy(folder: UPath) -> Iterator[Path]:
    """MLflow reads files of this machine only."""
    if is_local(folder):
        yield Path(folder.path)
        return
    with TemporaryDirectory() as place:
        folder.fs.get(folder.path, f"{place}/report", recursive=True)
        yield Path(place, "report")
