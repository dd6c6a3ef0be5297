"""A plan: the fingerprint of a data set, the settings chosen from it, and what they lose."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from upath import UPath

from ray_wssis.artifacts import Artifact
from ray_wssis.config import ConfigError, apply_override, check_config
from ray_wssis.data.mirrored_classes import mirrored_pairs
from ray_wssis.data.records import Records
from ray_wssis.instance.fingerprint.fingerprint import Fingerprint, take_fingerprint
from ray_wssis.instance.fingerprint.lost import Lost
from ray_wssis.instance.fingerprint.measured import measure
from ray_wssis.instance.fingerprint.upright import has_no_up, signs
from ray_wssis.instance.split import AUDIT, STRONG, TAUGHT, VALIDATION, WEAK, split
from ray_wssis.instance.split_config import DataConfig
from ray_wssis.recipes.plan.budget import SHARES, share_time, to_be_timed
from ray_wssis.recipes.plan.compose import Known, compose
from ray_wssis.recipes.plan.data import choose_data
from ray_wssis.recipes.plan.decision import GIVEN, Decision, Tree, leaves, values_of, with_overrides
from ray_wssis.recipes.plan.machine import Machine
from ray_wssis.recipes.plan.schedule import Steps, untimed
from ray_wssis.recipes.plan.yaml_text import flow, to_text
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.recipes.point_wssis_estimate import numbers, time_stages
from ray_wssis.recipes.point_wssis_losses import complaints, losses
from ray_wssis.run import Run
from ray_wssis.run_config import RunConfig
from ray_wssis.semantic.split_config import SemanticDataConfig

NO_DATA = (
    "there is nothing to plan for: name a data set, with --set data.annotations=FILE "
    "--set data.images=FOLDER, or data.strong, data.weak and data.validation, or data.shapes={}"
)

NOT_OBJECTS = (
    "settings are chosen from the data for objects with masks and points only. For class maps, "
    "begin with a configuration, as `wssis config dump lpl_shapes` prints it: lpl_shapes where the "
    "other images have tags, agmm_shapes for points and strokes, unimatch_shapes where they have "
    "nothing; then `wssis run --config mine.yaml`"
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Plan:
    tree: Tree
    found: Fingerprint
    machine: Machine
    asked: float  # minutes
    minutes: float | None  # that the run will take; None: not timed
    lost: Mapping[str, Lost]  # by stage
    warnings: tuple[str, ...] = ()  # about the time

    @property
    def config(self) -> PointWSSISConfig:
        return check_config(PointWSSISConfig, values_of(self.tree), "the plan")

    def to_yaml(self) -> str:
        """Write the configuration with its reasons, below the fingerprint."""
        takes = "an unknown time" if self.minutes is None else f"about {self.minutes:.0f} min"
        heading = [
            f"Planned by `wssis plan` for {self.machine.name} and {self.asked:g} minutes; the run "
            f"takes {takes}.",
            "",
            *(f"{what}: {value}" for what, value in (*self.found.rows(), *self.lost_rows())),
            *(f"Warning: {warning}" for warning in (*self.warnings, *complaints(self.lost))),
        ]
        return to_text(self.tree, heading)

    def to_json(self) -> dict[str, Any]:
        """Return what the page about the run shows."""
        return {
            "machine": self.machine.name,
            "asked": self.asked,
            "data": self.found.rows(),
            "lost": self.lost_rows(),
            "warnings": [*self.warnings, *complaints(self.lost)],
            "decisions": [
                (path, flow(entry.value), entry.why) for path, entry in leaves(self.tree)
            ],
        }

    def lost_rows(self) -> list[tuple[str, str]]:
        """Count what the teacher, or a student without one, cannot see."""
        return next((counts.rows() for counts in self.lost.values()), [])


def make_plan(
    overrides: Sequence[str], minutes: float, folder: UPath, machine: Machine, *, timed: bool = True
) -> Plan:
    """Split the data into `folder`, measure them, time some steps and decide everything.

    `overrides` name the data, as `data.annotations=FILE`, and may set any other value, which then
    stands.  Raises ConfigError if they name no data, and ValueError for data that cannot be used.
    """
    values = given_values(overrides)
    data = check_config(DataConfig, values["data"], f"--set {' '.join(overrides)}")
    section = choose_data(data) | {key: Decision(x, GIVEN) for key, x in values["data"].items()}
    data = check_config(DataConfig, values_of(section), "the plan")
    common = {"recipe": "plan"} | {key: values[key] for key in ("seed",) if key in values}
    run = Run(check_config(RunConfig, common, "--set"), folder)
    parts = split(run, data)
    known = look(parts, section, run.config.seed, machine, minutes)
    tree = with_overrides(compose(known, given_steps(values, untimed(minutes))), overrides)
    plan = Plan(tree=tree, found=known.found, machine=machine, asked=minutes, minutes=None, lost={})
    plan = replace(plan, lost=losses(known.measured, plan.config))
    if not timed:
        return plan
    logger.info("Timing a few steps ...")
    try:
        timings = time_stages(plan.config, parts, folder, to_be_timed(plan.config))
    except ValueError:
        raise
    except Exception as error:
        logger.warning("No step could be timed, so the numbers of steps are guesses: %s", error)
        return plan
    counts = with_audit(numbers(parts), plan.config.data.audit)
    budget = share_time(plan.config, counts, timings, known.found, minutes)
    tree = with_overrides(compose(known, given_steps(values, budget.steps)), overrides)
    return replace(plan, tree=tree, minutes=budget.minutes, warnings=budget.warnings)


def given_values(overrides: Sequence[str]) -> dict[str, Any]:
    """Return the values that overrides set.

    Raises ConfigError if they name no data, or data of class maps.
    """
    values: dict[str, Any] = {}
    for override in overrides:
        apply_override(values, override)
    if not isinstance(values.get("data"), dict):
        raise ConfigError(NO_DATA)
    only_class_maps = SemanticDataConfig.model_fields.keys() - DataConfig.model_fields.keys()
    if values.get("recipe", "point_wssis") != "point_wssis" or only_class_maps & set(
        values["data"]
    ):
        raise ConfigError(NOT_OBJECTS)
    return values


def given_steps(values: Mapping[str, Any], steps: Steps) -> Steps:
    """Put steps that were given in the place of those that were chosen; the schedule follows."""
    for name in SHARES:
        try:
            given = values[name]["training"]["steps"]
        except (KeyError, TypeError):
            continue
        if isinstance(given, int) and given > 0:  # anything else is refused later
            steps = replace(steps, seconds=steps.seconds, **{name: Decision(given, GIVEN)})
    return steps


def with_audit(counts: Mapping[str, int], share: float) -> dict[str, int]:
    """Count as many audit images as the planned share asks for."""
    strong = counts[TAUGHT] + counts[AUDIT]
    audit = max(1, int(strong * share)) if share and strong > 2 else 0
    return {**counts, TAUGHT: strong - audit, AUDIT: audit}


def look(
    parts: Artifact,
    section: Tree,
    seed: int,
    machine: Machine,
    minutes: float,
) -> Known:
    """Measure a split."""
    strong, weak, validation = (Records.read(parts / name) for name in (STRONG, WEAK, VALIDATION))
    measured = measure(strong, weak)
    names = [category.name for category in strong.categories]
    return Known(
        data=section,
        seed=seed,
        found=take_fingerprint(measured, strong, weak, validation),
        measured=measured,
        turn=has_no_up(signs(measured, strong), measured, names),
        pairs=len(mirrored_pairs(strong.categories)),
        machine=machine,
        minutes=minutes,
    )
