"""The tools that read the code, so that one command runs everything a change must pass."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def complaints(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_the_code_is_formatted() -> None:
    assert not complaints("ruff", "format", "--check", ".")


def test_the_code_has_no_lint() -> None:
    assert not complaints("ruff", "check", ".")


@pytest.mark.slow
def test_the_types_fit() -> None:
    assert not complaints("mypy")
