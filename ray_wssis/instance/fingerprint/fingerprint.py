"""A data set in a few numbers: what people are shown, and settings are chosen from."""

from dataclasses import dataclass

import numpy as np

from ray_wssis.data.records import Records
from ray_wssis.data.split.cut import count_classes
from ray_wssis.instance.fingerprint.measured import Measured, quantiles


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    num_strong: int  # images with masks
    num_weak: int  # images with points
    num_validation: int
    num_masks: int
    num_points: int
    masks_per_class: dict[str, int]  # by name, rarest first
    shorter: float  # median of the shorter sides of the images, pixels
    longest: int  # of all sides
    aspect: float  # longer over shorter side, median
    widest: float  # the same, exceeded by 5 % of the images
    small: float  # sqrt(box width * height) of objects in pixels: 10 % are smaller
    medium: float  # half of them are
    large: float  # 90 % are
    crowd: int  # objects in the median image
    most: int  # objects in the fullest image

    def rows(self) -> list[tuple[str, str]]:
        """Put the numbers into words, for a table."""
        classes = [f"{name} {number}" for name, number in self.masks_per_class.items()]
        more = f", ... ({len(classes)} in all)" if len(classes) > 4 else ""
        return [
            ("images with masks, with points", f"{self.num_strong}, {self.num_weak}"),
            ("validation images", f"{self.num_validation}"),
            ("masks, points", f"{self.num_masks}, {self.num_points}"),
            ("masks per class, rarest first", ", ".join(classes[:4]) + more),
            (
                "image sides",
                f"shorter {self.shorter:.0f} (median), longest {self.longest}, "
                f"longer / shorter {self.aspect:.2f}",
            ),
            (
                "object sizes, sqrt(width x height)",
                f"{self.small:.0f} / {self.medium:.0f} / {self.large:.0f} pixels "
                "(10, 50, 90 % are smaller)",
            ),
            ("objects per image", f"{self.crowd} (median), {self.most} at most"),
        ]


def take_fingerprint(
    measured: Measured, strong: Records, weak: Records, validation: Records
) -> Fingerprint:
    """Summarise a data set; sizes of few masks are smoothed (see `quantiles`)."""
    counts = count_classes(strong)
    shorter, longer = measured.sides.min(axis=1), measured.sides.max(axis=1)
    small, medium, large = quantiles(measured.masks.size, [0.1, 0.5, 0.9])
    image = np.concatenate([measured.masks.image, measured.points.image])
    per_image = np.bincount(image, minlength=len(measured.sides))
    return Fingerprint(
        num_strong=len(strong),
        num_weak=len(weak),
        num_validation=len(validation),
        num_masks=sum(counts.values()),
        num_points=sum(count_classes(weak).values()),
        masks_per_class=dict(sorted(counts.items(), key=lambda item: item[1])),
        shorter=float(np.median(shorter)),
        longest=int(longer.max()),
        aspect=float(np.median(longer / shorter)),
        widest=float(np.quantile(longer / shorter, 0.95)),
        small=float(small),
        medium=float(medium),
        large=float(large),
        crowd=int(np.median(per_image)),
        most=int(per_image.max()),
    )
