"""`wssis config`: look at configurations."""

from typing import Annotated

import typer

from ray_wssis.cli.options import Overrides, PresetName
from ray_wssis.cli.pipeline import load
from ray_wssis.config import to_yaml

app = typer.Typer(no_args_is_help=True, help="Look at configurations.")


@app.command()
def dump(
    name: Annotated[str, typer.Argument()] = "shapes",
    overrides: Overrides = None,
    preset: PresetName = None,
) -> None:
    """Print a configuration with every default filled in."""
    typer.echo(to_yaml(load(name, overrides, preset)), nl=False)


@app.command()
def check(
    name: Annotated[str, typer.Argument()],
    overrides: Overrides = None,
    preset: PresetName = None,
) -> None:
    """Name everything that is wrong with a configuration; exit 1 if anything is."""
    load(name, overrides, preset)
    typer.echo(f"{name} is fine")
