"""Findings about the files of a user: what is wrong, where, and what would be right."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from ray_wssis.data.coco.fields import whole_number

Severity = Literal["error", "warning", "info"]
RANK = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One finding.

    An *error* makes the file unusable, a *warning* is most likely a mistake but can be used, an
    *info* is allowed and good to know.
    """

    severity: Severity
    kind: str  # the same few words for all findings of a kind
    where: str
    found: str
    wanted: str


class Problems:
    """A growing list of findings."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, severity: Severity, kind: str, where: str, found: str, wanted: str) -> None:
        self.found.append(
            Problem(severity=severity, kind=kind, where=where, found=found, wanted=wanted)
        )

    def worst_first(self) -> list[Problem]:
        return sorted(self.found, key=lambda problem: RANK[problem.severity])

    def entries(
        self, entries: list[Any], plural: str, singular: str
    ) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """Yield id, name for messages, and content of each entry with an id; report the others."""
        seen: set[int] = set()
        for place, entry in enumerate(entries):
            try:
                number = whole_number(entry, "id", f"entry {place} of {plural}")
            except ValueError as error:
                where, _, found = str(error).partition(": ")
                self.add("error", "no id", where, found, "a whole number as `id`")
                continue
            where = f"{singular} {number}"
            if number in seen:
                found = f"the id occurs again in entry {place} of {plural}"
                wanted = "every id once; `wssis data fix` gives annotations new ones"
                self.add("error", "duplicate id", where, found, wanted)
            seen.add(number)
            yield number, where, entry

    def number(self, entry: dict[str, Any], key: str, where: str) -> int | None:
        """Read a whole number of an entry; anything else is reported and gives None."""
        try:
            return whole_number(entry, key, where)
        except ValueError as error:
            found = str(error).removeprefix(f"{where}: ").partition(",")[0]
            self.add("error", "malformed entry", where, found, "a whole number")
            return None
