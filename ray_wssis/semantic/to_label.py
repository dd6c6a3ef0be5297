"""The records that get pseudo labels: weak images with tags, or sparsely annotated ones."""

from upath import UPath

from ray_wssis.semantic.split import SPARSE, WEAK


def to_label(split: UPath) -> str:
    """Return the name of the records file in the folder of a split."""
    return SPARSE if (split / SPARSE).exists() else WEAK
