"""Counts in findings that hold for many annotations."""

from collections.abc import Sequence

from ray_wssis.data.problem import Severity

MOST = 0.5  # share of a file from which a mistake is one of the whole file
EXAMPLES = 3


def named(numbers: Sequence[int]) -> str:
    """Name the first few annotations: `annotations 3, 4, 8, ...`."""
    first = ", ".join(map(str, numbers[:EXAMPLES]))
    more = ", ..." if len(numbers) > EXAMPLES else ""
    return f"annotation{'s' if len(numbers) > 1 else ''} {first}{more}"


def severity_of(number: int, total: int) -> Severity:
    """Rate a mistake: an error where most of a file is hit."""
    return "error" if number > MOST * total else "warning"
