"""Number and size of the objects of images, by which some images are unlike others."""

from bisect import bisect
from collections.abc import Iterable
from dataclasses import dataclass

from ray_wssis.data.records import Record
from ray_wssis.masks import area

NUM_GROUPS = 5  # of equal count, from small to large


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The objects of some images in groups by area; crowds and objects without a mask left out."""

    bounds: list[int]  # between the groups; pixels
    counts: list[int]  # objects in each group
    num_images: int

    @classmethod
    def of(cls, records: Iterable[Record]) -> "Sizes":
        per_image = [_areas(record) for record in records]
        rising = sorted(pixels for own in per_image for pixels in own)
        bounds = [rising[len(rising) * k // NUM_GROUPS] for k in range(1, NUM_GROUPS) if rising]
        return cls(bounds=bounds, counts=_count(rising, bounds), num_images=len(per_image))

    def distance(self, records: Iterable[Record]) -> float:
        """Measure how unlike some of the images are to all: 0 or more, 0 is like them.

        It is the share of the objects that would have to change group, plus the difference in the
        number of objects per image, as a share of it.
        """
        per_image = [_areas(record) for record in records]
        counts = _count([pixels for own in per_image for pixels in own], self.bounds)
        if not sum(counts):
            return float("inf")
        whole, part = sum(self.counts), sum(counts)
        pairs = zip(self.counts, counts, strict=True)
        moved = sum(abs(ours / whole - theirs / part) for ours, theirs in pairs) / 2
        return moved + abs(part / len(per_image) / (whole / self.num_images) - 1)


def _areas(record: Record) -> list[int]:
    return [
        area(obj.mask, record.height, record.width)
        for obj in record.objects
        if obj.mask is not None and not obj.crowd
    ]


def _count(areas: Iterable[int], bounds: list[int]) -> list[int]:
    """Count the areas in each group."""
    counts = [0] * (len(bounds) + 1)
    for pixels in areas:
        counts[bisect(bounds, pixels)] += 1
    return counts
