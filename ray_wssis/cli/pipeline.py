"""The commands that make the stages of a run.

A finished stage is not made again, so every command can be stopped and repeated.
"""

import difflib
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ray_wssis.cli.closing_table import print_closing_table, print_results
from ray_wssis.cli.options import (
    ConfigName,
    LabellerName,
    LogFormatName,
    MaxFailures,
    MinCoverage,
    Out,
    Overrides,
    Preset,
    PresetName,
    Redo,
    RetryFailed,
    Until,
    UpperBound,
)
from ray_wssis.cli.planned import Minutes, check_way, planned
from ray_wssis.cli.semantic_tables import labels_table
from ray_wssis.config import ConfigError
from ray_wssis.logs import LogFormat, begin
from ray_wssis.one_command import alone_in
from ray_wssis.session import configure, lasting
from ray_wssis.storage import locate, read_json

if TYPE_CHECKING:
    from ray_wssis.run_config import RunConfig

LABELLED = "merged"  # the stage that `wssis label` makes last
MEASURED = "evaluation"  # the stage that measures models


def run(
    out: Out,
    name: ConfigName = None,
    overrides: Overrides = None,
    preset: PresetName = None,
    redo: Redo = False,
    upper_bound: UpperBound = False,
    until: Until = None,
    log_format: LogFormatName = LogFormat.TEXT,
    minutes: Minutes = None,
    labeller: LabellerName = None,
) -> None:
    """Make everything, from the split to the report.

    Without --config, every setting is chosen from the data first (see `wssis plan`).
    """
    changes = [*(overrides or []), *(["upper_bound=true"] if upper_bound else [])]
    changes += named_labeller(labeller)
    make(out, name, changes, preset, until, redo=redo, minutes=minutes)


def run_until(stage: str | None) -> Callable[..., None]:
    """Return the command that makes the stages of a run up to this one."""

    def command(
        out: Out,
        name: ConfigName = None,
        overrides: Overrides = None,
        preset: PresetName = None,
        redo: Redo = False,
        upper_bound: UpperBound = False,
        log_format: LogFormatName = LogFormat.TEXT,
    ) -> None:
        run(out, name, overrides, preset, redo, upper_bound, stage, log_format)

    return command


def label(
    out: Out,
    name: ConfigName = None,
    overrides: Overrides = None,
    preset: PresetName = None,
    redo: Redo = False,
    max_failures: MaxFailures = None,
    min_coverage: MinCoverage = None,
    retry_failed: RetryFailed = False,
    log_format: LogFormatName = LogFormat.TEXT,
    labeller: LabellerName = None,
) -> None:
    """Draw pseudo masks for the weak images, judge them, and merge them into a training set."""
    limits = {"max_failures": max_failures, "min_coverage": min_coverage}
    given = [f"labelling.{key}={value}" for key, value in limits.items() if value is not None]
    changes = [*(overrides or []), *given, *named_labeller(labeller)]
    make(out, name, changes, preset, LABELLED, redo=redo, retry_failed=retry_failed)
    folder = locate(out)
    judged = read_json(folder / "audit/audit.json")
    if "weak" in judged:
        print_closing_table(folder / "labels", judged["weak"]["mean_expected_iou"])
    else:
        Console().print(labels_table(read_json(folder / "labels/summary.json"), judged))


def named_labeller(word: str | None) -> list[str]:
    return [] if word is None else [f"labeller={word}"]


def demo(
    out: Out = "runs/demo",
    seed: Annotated[int, typer.Option(help="Seed of the data, the split and the training.")] = 0,
    overrides: Overrides = None,
    redo: Redo = False,
    upper_bound: UpperBound = False,
) -> None:
    """Make everything on the built-in data set: minutes on two CPU cores."""
    run(out, "shapes", [f"seed={seed}", *(overrides or [])], None, redo, upper_bound)


def make(
    out: str,
    name: str | None,
    overrides: list[str],
    preset: Preset | None,
    until: str | None,
    *,
    redo: bool,
    retry_failed: bool = False,
    minutes: float | None = None,
) -> None:
    """Make the stages of the run in `out`, and print the path of the last one."""
    begin(locate(out))
    configure()
    folder = lasting(out)
    resolved = folder / "config.resolved.yaml"
    check_way(name, resolved, preset is not None, overrides, minutes)
    is_planned = name is None and not resolved.exists()
    config = None if is_planned else load(name or str(resolved), overrides, preset)
    check_stage(until, stages_of(config, overrides))
    from ray_wssis.recipes.catalogue import artifacts
    from ray_wssis.run import Run, carry_out  # imports torch and Ray

    with alone_in(folder):
        config = config or planned(folder, overrides, minutes)
        opened = Run(config, str(folder), redo=redo, retry_failed=retry_failed)
        made = carry_out(artifacts(opened, config), until)
    page = made / "index.html"
    if page.exists() or made.folder.name == MEASURED:
        print_results(folder)
    typer.echo(page if page.exists() else made.folder)


def load(name: str, overrides: list[str] | None, preset: Preset | None) -> "RunConfig":
    from ray_wssis.recipes.catalogue import load_recipe
    from ray_wssis.recipes.presets import fast

    return load_recipe(name, overrides or [], fast if preset is Preset.FAST else None)


def stages_of(config: "RunConfig | None", overrides: list[str]) -> list[str]:
    """Name the stages of a run; every plan has those of the demonstration."""
    if config is not None:
        return config.stages()
    bound = [override for override in overrides if override.startswith("upper_bound")]
    return load("shapes", bound, None).stages()


def check_stage(name: str | None, known: list[str]) -> None:
    if name is None or name in known:
        return
    near = difflib.get_close_matches(name, known, n=1)
    hint = f", did you mean {near[0]}?" if near else ""
    raise ConfigError(f"--until {name}: no such stage{hint} This run has {', '.join(known)}")
