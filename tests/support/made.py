"""Recipes carried out in the tests: the artifacts of a run, by stage."""

from pathlib import Path

from upath import UPath

from ray_wssis.artifacts import Artifact
from ray_wssis.recipes.catalogue import artifacts
from ray_wssis.run import Run
from ray_wssis.run_config import RunConfig


def make(
    config: RunConfig, folder: Path | UPath, until: str | None = None, *, redo: bool = False
) -> dict[str, Artifact]:
    """Make the stages of a run up to and including `until`."""
    made: dict[str, Artifact] = {}
    for artifact in artifacts(Run(config, folder, redo=redo), config):
        made[artifact.folder.name] = artifact
        if artifact.folder.name == until:
            break
    return made
