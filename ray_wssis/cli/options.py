"""Options that several commands share."""

from enum import StrEnum
from typing import Annotated

import typer

from ray_wssis.config import shipped_configs
from ray_wssis.logs import LogFormat, choose


class Preset(StrEnum):
    """Named changes to a configuration, for `--preset`."""

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
    typer.Option("--set", metavar="A.B=C", help="Change one value; may be repeated."),
]
WorkerOverrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="A.B=C", help="Change one value of labelling_workers; may be repeated."
    ),
]
AnyModel = Annotated[str, typer.Argument(help="Folder of a trained run, or of a model.")]
ImageFolder = Annotated[str, typer.Argument(help="Folder of the images, a path or a URI.")]
PresetName = Annotated[
    Preset | None,
    typer.Option(
        "--preset",
        help="fast: a twelfth of every training schedule, to try things out. --set comes after it.",
    ),
]
Until = Annotated[
    str | None,
    typer.Option("--until", metavar="STAGE", help="Stop after this stage, for instance labels."),
]
Redo = Annotated[bool, typer.Option("--redo", help="Remake stages whose configuration changed.")]
UpperBound = Annotated[
    bool,
    typer.Option("--upper-bound", help="Also train a student on all true masks, to compare with."),
]
LabellerName = Annotated[
    str | None,
    typer.Option(
        "--labeller",
        metavar="NAME[:WEIGHTS]",
        help="Who draws the masks: point_wssis, which is trained on the strong images, or without "
        "training sam2, sam, sam_hq, edgetam, with a folder or a name on the Hugging Face hub.",
    ),
]
MaxFailures = Annotated[int | None, typer.Option(min=0, help="Stop if more images than this fail.")]
MinCoverage = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Exit 1 if a smaller share of the points gets a mask."),
]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Try images again that failed.")]
LogFormatName = Annotated[
    LogFormat,
    typer.Option(
        "--log-format",
        envvar="WSSIS_LOG",
        callback=choose,
        help="json: one object a line on stderr, for machines that collect logs.",
    ),
]
