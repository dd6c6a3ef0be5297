"""Findings: what was checked, what was found, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"  # it works, but not as well as it could
    PROBLEM = "problem"  # it will not work


@dataclass(frozen=True, kw_only=True)
class Finding:
    about: str
    state: State
    found: str
    to_do: str = ""  # one sentence; empty when all is well


def fine(about: str, found: str) -> Finding:
    return Finding(about=about, state=State.OK, found=found)


def warning(about: str, found: str, to_do: str) -> Finding:
    return Finding(about=about, state=State.WARNING, found=found, to_do=to_do)


def problem(about: str, found: str, to_do: str) -> Finding:
    return Finding(about=about, state=State.PROBLEM, found=found, to_do=to_do)
