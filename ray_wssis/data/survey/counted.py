"""Counts in findings that hold for many annotations."""

from collections.abc import Sequence

MOST = 0.5  # share of a file from which a mistake is one of the whole file
EXAMPLES = 3


def named(numbers: Sequence[int]) -> str:
    """Name the first few annotations: `annotations 3, 4, 8, ...`."""
    first = ", ".join(map(str, numbers[:EXAMPLES]))
    more = ", ..." if len(numbers) > EXAMPLES else ""
    return f"annotation{'s' if len(numbers) > 1 else ''} {first}{more}"
