"""The plan of a run that was given no configuration."""

import logging
from typing import TYPE_CHECKING, Annotated, Any

import typer
from upath import UPath

from ray_wssis.config import ConfigError, read_values
from ray_wssis.storage import read_json, remove, write_atomically, write_json

if TYPE_CHECKING:
    from ray_wssis.run_config import RunConfig

PLAN = "plan.yaml"  # in the folder of the run
FIGURES = "plan.json"  # beside it, for the page about the run
MINUTES = 30.0  # unless told otherwise
Minutes = Annotated[
    float | None,
    typer.Option(
        min=1,
        show_default=f"{MINUTES:g}",
        help="Time that the run may take on this machine; it decides the numbers of steps.",
    ),
]

logger = logging.getLogger(__name__)


def check_way(
    name: str | None, resolved: UPath, has_preset: bool, overrides: list[str], minutes: float | None
) -> None:
    """Raise ConfigError if it is not clear which configuration a run has."""
    if name is not None and minutes is not None:
        raise ConfigError(
            "--minutes and --config exclude each other: a configuration has its numbers of steps "
            "already. Leave out --config to have a run planned, or set training.steps"
        )
    if name is not None:
        return
    if has_preset:
        raise ConfigError(
            f"--preset changes the configuration of --config, which is missing. Without both, the "
            f"run continues with {resolved}, which already holds the effect of a preset"
        )
    if not resolved.exists() and not names_data(overrides):
        raise ConfigError(
            f"--config is missing, and there is no {resolved} of an earlier run. Name a "
            "configuration (--config FILE), or a data set for which one is planned (--set "
            "data.annotations=FILE --set data.images=FOLDER)"
        )
    if resolved.exists() and minutes is not None:
        logger.info("The run continues with the steps in %s, whatever --minutes says", resolved)


def names_data(overrides: list[str]) -> bool:
    return any(override.lstrip().startswith("data") for override in overrides)


def planned(folder: UPath, overrides: list[str], minutes: float | None) -> "RunConfig":
    """Return the configuration of a run in `folder`, planned now if it was not planned before.

    Raises what `make_plan` raises.
    """
    from ray_wssis.recipes.catalogue import load_recipe
    from ray_wssis.recipes.plan.machine import this_machine
    from ray_wssis.recipes.plan.plan import given_values, make_plan

    file = folder / PLAN
    if not is_plan_for(folder, given_values(overrides)["data"], minutes):
        logger.info("Planning: choosing every setting from the data ...")
        draft = folder / "planning"
        if draft.exists():  # of a command that was killed
            remove(draft)
        try:
            made = make_plan(overrides, minutes or MINUTES, draft, this_machine())
        finally:
            if draft.exists():
                remove(draft)
        for warning in made.warnings:
            logger.warning("%s", warning)
        write_json(folder / FIGURES, made.to_json())
        write_atomically(file, made.to_yaml().encode())
        takes = "" if made.minutes is None else f"; the run takes about {made.minutes:.0f} min"
        logger.info("The plan, with reasons, is in %s%s", file, takes)
    return load_recipe(str(file), ["estimate=false", *overrides])


def is_plan_for(folder: UPath, data: dict[str, Any], minutes: float | None) -> bool:
    """Tell whether the plan in `folder`, if there is one, is for these data and this time."""
    if not (folder / PLAN).exists() or not (folder / FIGURES).exists():
        return False
    is_alike = data.items() <= read_values(folder / PLAN)["data"].items()
    return is_alike and minutes in (None, read_json(folder / FIGURES)["asked"])
