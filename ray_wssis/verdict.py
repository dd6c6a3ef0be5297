"""The verdict on a round: whether its student made things worse.

Audit images tell, from which no network of the round has learnt.
"""

from typing import Any

from upath import UPath

from ray_wssis.storage import read_json

VERDICT = "verdict.json"  # in the folder of the stage


def said(number: int, before: float | None, after: float | None) -> dict[str, Any]:
    """Compose a verdict of two figures, in percent, on a number of audit images.

    Without audit images every round is taken.
    """
    worse = before is not None and after is not None and after < before
    return {"num_audit_images": number, "before": before, "after": after, "is_taken": not worse}


def is_taken(folder: UPath) -> bool:
    return bool(read_json(folder / VERDICT)["is_taken"])
