"""Licences of the weights that a training starts from."""

import logging
from collections.abc import Mapping
from functools import cache

OPEN = ("apache", "mit", "bsd", "cc0", "cc-by-4", "cc-by-sa")

logger = logging.getLogger(__name__)


def say_licences(weights: Mapping[str, tuple[str, str]]) -> None:
    """Log the licence of the weights that each training starts from.

    `weights` are names of networks and sources of their weights, by training; what several
    trainings start from is named once.
    """
    users: dict[tuple[str, str], list[str]] = {}
    for training, pair in weights.items():
        users.setdefault(pair, []).append(training)
    for (name, source), trainings in users.items():
        if source != "none":
            line = licence_line(name, source)
            logger.info("%s: the weights of %s are from %s", ", ".join(trainings), name, line)


def licence_line(name: str, weights: str) -> str:
    """Describe the backbone's weights before training, for a model card.

    Warns of weights whose licence does not allow every use.
    """
    if weights == "none":
        return "none: everything is trained here"
    if weights not in ("hub", "offline"):
        return f"{weights} (their licence applies beside that of this model)"
    licence = licence_of(name)
    if licence is not None and not licence.startswith(OPEN):
        warn_of(name, licence)
        return f"{weights} (licence {licence}, which restricts the use of this model too)"
    known = "their licence" if licence is None else f"their licence, {licence},"
    return f"{weights} ({known} applies beside that of this model)"


@cache  # once in a process
def warn_of(name: str, licence: str) -> None:
    logger.warning(
        "backbone %s: its weights come under %s, which restricts what a model made from them may "
        "be used for; read it before you publish or sell",
        name,
        licence,
    )


def licence_of(name: str) -> str | None:
    """Return the licence that timm knows for the weights of a network, in small letters."""
    from ray_wssis.models.vision import timm  # takes seconds

    known = timm.get_pretrained_cfg(name, allow_unregistered=True)
    found = None if known is None else known.license
    return found.lower() if isinstance(found, str) and found else None
