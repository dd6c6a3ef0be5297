"""Separation of instances: objects that were merged into one, and those that were cut in parts.

Classes do not matter here.  An object lies in the instance that covers at least half of it; where
an instance has two or more objects, these are *merged*.  An instance is a part of the object in
which at least half of it lies; an object with two or more parts is *split*.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ray_wssis.masks import area, overlap

MOST = 0.5  # share of an object or an instance
LEAST_PART = 0.1  # share of an object; smaller instances are no part of it


@dataclass(frozen=True, kw_only=True)
class Separation:
    """Counts of objects over images; those of two sets of images can be added up."""

    objects: int = 0
    merged: int = 0
    split: int = 0

    def __add__(self, other: "Separation") -> "Separation":
        return Separation(
            objects=self.objects + other.objects,
            merged=self.merged + other.merged,
            split=self.split + other.split,
        )

    @classmethod
    def of(
        cls, objects: Sequence[bytes], instances: Sequence[bytes], height: int, width: int
    ) -> "Separation":
        """Count in one image; all masks are run-length counts, and objects are not empty."""
        both = np.array(
            [[overlap(obj, found, height, width) for found in instances] for obj in objects]
        ).reshape(len(objects), len(instances))
        of_object = both / np.array([area(obj, height, width) for obj in objects])[:, None]
        sizes = np.array([max(1, area(found, height, width)) for found in instances])
        covered = of_object >= MOST
        is_shared = covered.sum(axis=0) > 1  # (instances,)
        parts = (both / sizes >= MOST) & (of_object >= LEAST_PART)
        return cls(
            objects=len(objects),
            merged=int((covered & is_shared).any(axis=1).sum()),
            split=int((parts.sum(axis=1) > 1).sum()),
        )

    def figures(self) -> dict[str, float]:
        """Return the shares of merged and of split objects, in percent; NaN without objects."""
        if not self.objects:
            return {"merged": float("nan"), "split": float("nan")}
        return {
            "merged": 100 * self.merged / self.objects,
            "split": 100 * self.split / self.objects,
        }
