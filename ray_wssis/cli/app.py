"""The command line.  A verb loads the configuration and asks the recipe for one of its results.

What is already there is not made again, so every verb can be stopped and given again.  The pages
in `jobs/` go through `start`, with the same options.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from ray_wssis.artifacts import Artifact
from ray_wssis.cli import data as data_commands
from ray_wssis.cli import model as model_commands
from ray_wssis.cli.annotate import annotate
from ray_wssis.cli.audit import audit_command
from ray_wssis.cli.closing_table import print_closing_table
from ray_wssis.cli.doctor import doctor
from ray_wssis.config import ConfigError, load_config, shipped_configs, to_yaml
from ray_wssis.logs import LogFormat, begin, choose, wants_json
from ray_wssis.session import Terminated, configure, lasting
from ray_wssis.storage import locate, read_json

if TYPE_CHECKING:  # it imports torch and Ray, which takes seconds
    from ray_wssis.recipes.point_wssis import PointWSSIS, PointWSSISConfig

STOPPED = 130  # what a shell says of a command that Ctrl-C ended
TERMINATED = 143  # that SIGTERM ended
COMMANDS = "ray_wssis.commands"  # entry points of packages above this one
logger = logging.getLogger(__name__)

Make = Callable[["PointWSSIS"], Artifact]


class Preset(StrEnum):
    """What `--preset` may make of a configuration."""

    FAST = "fast"


ConfigName = Annotated[
    str | None,
    typer.Option(
        "--config",
        "-c",
        show_default="config.resolved.yaml in --out",
        help=f"A YAML file, a URI, or one of: {', '.join(shipped_configs())}.",
    ),
]
Out = Annotated[str, typer.Option("--out", "-o", help="Folder of the run, a path or a URI.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="A.B=C", help="Change one value; may be given many times."),
]
PresetName = Annotated[
    Preset | None,
    typer.Option(
        "--preset",
        help="fast: a twelfth of every training schedule, to try things out. --set comes after it.",
    ),
]
Redo = Annotated[
    bool,
    typer.Option("--redo", help="Make again what was made with another configuration."),
]
UpperBound = Annotated[
    bool,
    typer.Option("--upper-bound", help="Train a student on all masks too, to compare with."),
]
LogFormatName = Annotated[
    LogFormat,
    typer.Option(
        "--log-format",
        envvar="WSSIS_LOG",
        callback=choose,
        help="json: one object a line on stderr, for machines that collect logs.",
    ),
]


@contextmanager
def plain_errors() -> Iterator[None]:
    """What a user did wrong comes out as a sentence (with WSSIS_DEBUG=1: as a traceback)."""
    try:
        yield
    except KeyboardInterrupt as stop:
        say("Stopped. The same command goes on from here.")
        raise typer.Exit(TERMINATED if isinstance(stop, Terminated) else STOPPED) from None
    except (ValueError, OSError) as error:
        if os.environ.get("WSSIS_DEBUG") == "1":
            raise
        said = getattr(error, "cause", None) or error  # Ray wraps what happened in a worker
        say(str(said), "red")
        raise typer.Exit(1) from None


def say(sentence: str, style: str = "none") -> None:
    """Why a command ends, where its log is."""
    if wants_json():
        begin(None)  # where a command has not yet said which run it is about
        logger.error("%s", sentence)
        return
    Console(stderr=True).print(escape(sentence), style=style, soft_wrap=True, highlight=False)


class Sentences(typer.core.TyperGroup):
    """A group of commands whose errors are sentences."""

    def invoke(self, ctx: Any) -> Any:
        with plain_errors():
            return super().invoke(ctx)


app = typer.Typer(
    cls=Sentences,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="A few masks and many points in, a trained instance segmenter out.",
)
train = typer.Typer(no_args_is_help=True, help="Train one of the three networks.")
config = typer.Typer(no_args_is_help=True, help="Look at configurations.")
app.add_typer(data_commands.app, name="data")
app.add_typer(config, name="config")
app.add_typer(train, name="train")


def verb(make: Make) -> Callable[..., None]:
    """The command that asks a run for what `make` takes from it."""

    def command(
        out: Out,
        name: ConfigName = None,
        overrides: Overrides = None,
        preset: PresetName = None,
        redo: Redo = False,
        upper_bound: UpperBound = False,
        log_format: LogFormatName = LogFormat.TEXT,
    ) -> None:
        changes = [*(overrides or []), *(["upper_bound=true"] if upper_bound else [])]
        execute(make, out, name, changes, preset, redo)

    return command


def label(
    out: Out,
    name: ConfigName = None,
    overrides: Overrides = None,
    preset: PresetName = None,
    redo: Redo = False,
    max_failures: Annotated[
        int | None, typer.Option(min=0, help="Stop when more images than this failed.")
    ] = None,
    min_coverage: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Exit 1 when a smaller share of the points gets a mask."),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try images again that failed.")
    ] = False,
    log_format: LogFormatName = LogFormat.TEXT,
) -> None:
    """Pseudo masks for the weak images, how good they are, and the training set with them."""
    limits = {"max_failures": max_failures, "min_coverage": min_coverage}
    given = [f"labelling.{key}={value}" for key, value in limits.items() if value is not None]
    make: Make = lambda run: run.merged  # noqa: E731
    execute(make, out, name, [*(overrides or []), *given], preset, redo, retry_failed)
    run = locate(out)
    expected = read_json(run / "audit/audit.json")["weak"]["mean_expected_iou"]
    print_closing_table(run / "labels", expected)


def execute(
    make: Make,
    out: str,
    name: str | None,
    overrides: list[str],
    preset: Preset | None,
    redo: bool,
    retry_failed: bool = False,
) -> None:
    """Make a result of the run in `out` and say where it is."""
    begin(locate(out))
    configure()
    folder = lasting(out)
    resolved = folder / "config.resolved.yaml"
    if name is None and not resolved.exists():
        raise ConfigError(f"no --config, and there is no {resolved} of an earlier run")
    if name is None and preset is not None:
        raise ConfigError(
            f"--preset changes the configuration of --config, which is missing. Without both, the "
            f"run goes on with {resolved}, which holds what a preset made of it"
        )
    loaded = load(name or str(resolved), overrides, preset)
    from ray_wssis.recipes.point_wssis import PointWSSIS

    made = make(PointWSSIS(loaded, str(folder), redo=redo, retry_failed=retry_failed))
    page = made / "index.html"
    typer.echo(page if page.exists() else made.folder)


def load(name: str, overrides: list[str] | None, preset: Preset | None) -> "PointWSSISConfig":
    from ray_wssis.recipes.point_wssis import PointWSSISConfig
    from ray_wssis.recipes.presets import fast

    change = fast if preset is Preset.FAST else None
    return load_config(PointWSSISConfig, name, overrides or [], change)


def start(make: Make) -> None:
    """What a page in `jobs/` does: one command, with the options of every verb."""
    start_command(verb(make))


def start_command(command: Callable[..., None]) -> None:
    job = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    job.command(help=sys.modules["__main__"].__doc__)(plain_errors()(command))
    job()


app.command("run", help="Everything, from the split to the report.")(verb(lambda run: run.report))
train.command("teacher", help="On the strong images.")(verb(lambda run: run.teacher))
train.command("refiner", help="To mend rough masks.")(verb(lambda run: run.refiner))
train.command("student", help="On masks and pseudo masks.")(verb(lambda run: run.student))
app.command("label")(label)
app.command("evaluate", help="Average precision of every network.")(
    verb(lambda run: run.evaluation)
)
app.command("report", help="The page that shows it all.")(verb(lambda run: run.report))

app.command("audit")(audit_command)
app.command("annotate")(annotate)
app.command("doctor")(doctor)
app.command("import-checkpoint")(model_commands.import_checkpoint)
app.command("export")(model_commands.export)
for offered in entry_points(group=COMMANDS):  # `serve`; none where the package is not installed
    app.command(offered.name)(offered.load())


@app.command()
def demo(
    out: Out = "runs/demo",
    seed: Annotated[int, typer.Option(help="Of the data, the split and the training.")] = 0,
    overrides: Overrides = None,
    redo: Redo = False,
    upper_bound: UpperBound = False,
) -> None:
    """Everything on the built-in data set: minutes on two CPU cores."""
    changes = [f"seed={seed}", *(overrides or [])]
    verb(lambda run: run.report)(out, "shapes", changes, None, redo, upper_bound)


@config.command()
def dump(
    name: Annotated[str, typer.Argument()] = "shapes",
    overrides: Overrides = None,
    preset: PresetName = None,
) -> None:
    """Print a configuration with every default filled in."""
    typer.echo(to_yaml(load(name, overrides, preset)), nl=False)


@config.command()
def check(
    name: Annotated[str, typer.Argument()],
    overrides: Overrides = None,
    preset: PresetName = None,
) -> None:
    """Say everything that is wrong with a configuration; exit 1 if anything is."""
    load(name, overrides, preset)
    typer.echo(f"{name} is fine")


if __name__ == "__main__":
    app()
