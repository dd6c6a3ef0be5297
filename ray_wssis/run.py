"""A run: one folder, in which a recipe makes one artifact after the other.

`Run` opens stages, trains or adopts models, streams images past a labeller and writes the report.
It knows no recipe and no kind of label.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from upath import UPath

from ray_wssis.artifacts import Artifact, Part, Workspace, open_stage
from ray_wssis.config import to_yaml
from ray_wssis.heartbeat import Heartbeat
from ray_wssis.models.model_folder import FILES, copy_model
from ray_wssis.report.mlflow_log import log_to_mlflow
from ray_wssis.report.page import Section, write_page
from ray_wssis.run_config import RunConfig, TrainedModel
from ray_wssis.storage import Place, hash_file, locate, names_in, write_atomically
from ray_wssis.streaming.labeller import Labeller
from ray_wssis.streaming.shards import write_content
from ray_wssis.streaming.throughput import Throughput
from ray_wssis.training.folder import CHECKPOINTS, LOGS
from ray_wssis.training.task import Task

RESOLVED = "config.resolved.yaml"
ROWS = "rows"  # the folder of shards in an artifact that was streamed

logger = logging.getLogger(__name__)


class Run:
    def __init__(
        self,
        config: RunConfig,
        out: Place,
        *,
        redo: bool = False,  # remake stages whose configuration changed
        retry_failed: bool = False,  # try images again that failed
        prefix: str = "",  # of the names of its stages
    ) -> None:
        self.config = config
        self.folder = locate(out)
        self.redo = redo
        self.retry_failed = retry_failed
        self.prefix = prefix

    def within(self, prefix: str) -> "Run":
        """Return this run for stages whose names begin so, such as `round_1_labels`."""
        return Run(
            self.config,
            self.folder,
            redo=self.redo,
            retry_failed=self.retry_failed,
            prefix=prefix,
        )

    def stage(
        self,
        name: str,
        says: str,
        made_from: Mapping[str, Any],
        make: Callable[[Workspace], object],
        *,
        logs: Sequence[str] = (),
        keep: Collection[str] = (),
        progress: Collection[str] = (),
        reopen: bool = False,
        follows_retry: bool = False,
        is_quick: bool = False,
    ) -> Artifact:
        """Return the finished artifact `name`, calling `make` if it is not there yet.

        `says` tells people what the stage does, `made_from` is everything that decides its
        result.  `logs`, `keep`, `progress` and `reopen` are those of `Workspace.finish` and
        `open_stage`; what is under `keep` is progress too.  A stage that is quickly made may
        follow a retry of failed images without being asked to; one that `is_quick`, everything.
        """
        name = self.prefix + name
        opened = open_stage(
            self.folder / name,
            made_from,
            says=says,
            redo=self.redo or is_quick or (follows_retry and self.retry_failed),
            reopen=reopen,
            keep=keep,
            progress=[*progress, *(f"{name}/*" for name in keep)],
            seed=self.config.seed,
        )
        if isinstance(opened, Artifact):
            return opened
        write_atomically(self.folder / RESOLVED, to_yaml(self.config).encode())
        with Heartbeat(name):
            make(opened)
            return opened.finish(logs=logs)

    def estimate(self, before: str, measure: Callable[[], Mapping[str, float]]) -> None:
        """Say how many minutes the stages will take, unless the stage `before` has begun.

        `measure` returns seconds by stage.  A ValueError of it is raised, as a later training would
        fail in the same way: a network that does not exist, an image that is damaged.
        """
        if not self.config.estimate or names_in(self.folder / before):
            return
        logger.info("Timing a few steps of each training ...")
        try:
            with Heartbeat("timing"):
                seconds = measure()
        except ValueError:
            raise
        except Exception as error:
            logger.warning("The time that the run will take could not be measured: %s", error)
            return
        if not seconds:
            return
        parts = ", ".join(f"{name} {minutes(taken)}" for name, taken in seconds.items())
        logger.info(
            "The run will take about %s: %s. Other work on these machines makes it longer",
            minutes(sum(seconds.values())),
            parts,
            extra={"estimated_seconds": dict(seconds)},
        )

    def train(self, name: str, says: str, task: Task, config: TrainedModel) -> Artifact:
        """Train a model, or adopt the one that `config.ready` names; it is in `model/`."""
        if config.ready is not None:
            return self.adopt(name, says, task, locate(config.ready))

        def make(stage: Workspace) -> None:
            from ray_wssis.training.run import train  # imports Ray

            seed, workers = self.config.seed, self.config.training_workers
            train(task, config.training, seed, workers, stage.folder)

        made_from = {**task.made_from, "training": config.training}
        made = self.stage(name, says, made_from, make, logs=LOGS, progress=CHECKPOINTS)
        log_to_mlflow(self.folder)
        return made

    def adopt(self, name: str, says: str, task: Task, ready: UPath) -> Artifact:
        """Use a model that was trained elsewhere in place of one trained here."""
        try:
            task.accept(ready)
        except ValueError as error:
            raise ValueError(f"{name}.ready: {error}") from error
        return self.stage(
            name,
            says,
            {"model": {file: hash_file(ready / file) for file in FILES}},
            lambda stage: copy_model(ready, stage / "model"),
        )

    def stream(self, name: str, says: str, images: Sequence[Part], by: Labeller) -> Artifact:
        """Stream images past a labeller; its rows are in `rows/`."""
        return self.stage(
            name,
            says,
            streamed_from(images, by),
            lambda stage: self.infer(stage, images, by),
            logs=[ROWS],
            keep=[ROWS],
        )

    def infer(
        self,
        stage: Workspace,
        images: Sequence[Part],
        by: Labeller,
        max_failures: int | None = None,
    ) -> Throughput:
        """Fill `rows/` of a stage that does more than streaming."""
        from ray_wssis.streaming.stream import Pass, stream  # imports Ray

        throughput = stream(
            Pass(
                name=stage.folder.name,
                records=[part.path for part in images],
                labeller=by,
                out=stage / ROWS,
            ),
            self.config.labelling_workers,
            retry_failed=self.retry_failed,
            max_failures=max_failures,
        )
        write_content(stage / ROWS)
        return throughput

    def report(
        self, made_from: Mapping[str, Any], sections: Callable[[], Sequence[Section]]
    ) -> Artifact:
        """Write the page about the run: the given sections, then those that every run has.

        It is quickly made, so it follows what it is about without being asked to.
        """
        made = self.stage(
            "report",
            "Write the page about it all",
            made_from,
            lambda stage: write_page(self.folder, stage.folder, sections()),
            is_quick=True,
        )
        log_to_mlflow(self.folder)
        return made


def minutes(seconds: float) -> str:
    """`40 s`, `12 min`, `3.5 h`"""
    if seconds < 90:
        return f"{max(10, round(seconds, -1)):.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def streamed_from(images: Sequence[Part], by: Labeller) -> dict[str, Any]:
    """Name everything that decides the rows of a stream."""
    return {"images": {part.path.name: part for part in images}, "labeller": by.made_from}


def carry_out(stages: Iterator[Artifact], until: str | None = None) -> Artifact:
    """Make the stages of a recipe, up to and including `until`; return the last one.

    Raises ValueError if the recipe has no stage of that name.
    """
    names = []
    for made in stages:
        names.append(made.folder.name)
        if made.folder.name == until:
            return made
    if until is not None:
        raise ValueError(f"no stage is named {until}; this run has {', '.join(names)}")
    return made
