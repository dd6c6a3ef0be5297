"""A run of no recipe, for tests of single stages."""

from pathlib import Path

from upath import UPath

from ray_wssis.run import Run
from ray_wssis.run_config import RunConfig


def run_in(folder: Path | UPath, seed: int = 0) -> Run:
    return Run(RunConfig(recipe="none", seed=seed), folder)
