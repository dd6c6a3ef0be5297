"""Images with true or pseudo masks, augmented, as batches for an instance segmenter."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ray_wssis.data.annotated import is_ignored, unseen
from ray_wssis.data.augment import Geometry, change_colour, draw_geometry
from ray_wssis.data.augment_config import AugmentConfig
from ray_wssis.data.images.read import read_image
from ray_wssis.data.mirrored_classes import mirrored_labels
from ray_wssis.data.records import Record, Records
from ray_wssis.instance.copy_paste import chosen_masks, draw_overlap, paste_pixels
from ray_wssis.masks import decode
from ray_wssis.models.canvas import pad_images
from ray_wssis.models.solov2_targets import Instances


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One image ready for the network; row i of the lists is the same object."""

    image_id: int
    image: np.ndarray  # [height, width, 3] uint8
    labels: list[int]
    centres: list[tuple[float, float]]  # (x, y) network pixels
    box_sizes: list[tuple[float, float]]  # (width, height) network pixels
    masks: list[np.ndarray]  # [height / 4, width / 4] uint8 each
    ignored: np.ndarray | None = None  # the same size, bool: in an ignore region; None: none is


@dataclass(frozen=True, kw_only=True)
class Batch:
    image_ids: list[int]
    images: Tensor  # (B, 3, H, W) uint8
    sizes: Tensor  # (B, 2) int64: height, width
    instances: Instances
    ignored: Tensor | None  # (B, h, w) bool: pixels of ignore regions; None: no image has any

    def to(self, device: torch.device) -> "Batch":
        return self.moved(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "Batch":
        """Move to memory from which a GPU copies while the processor continues."""
        return self.moved(Tensor.pin_memory)

    def moved(self, move: Callable[[Tensor], Tensor]) -> "Batch":
        return Batch(
            image_ids=self.image_ids,
            images=move(self.images),
            sizes=move(self.sizes),
            instances=self.instances.moved(move),
            ignored=None if self.ignored is None else move(self.ignored),
        )


class SegmenterSamples:
    """Images of a table of records, augmented afresh whenever they are drawn."""

    def __init__(self, records: Records, augment: AugmentConfig) -> None:
        self.records = records
        self.augment = augment
        self.mirrored = mirrored_labels(records.categories)

    def __len__(self) -> int:
        return len(self.records)

    def orientations(self) -> NDArray[np.bool_]:
        if self.augment.turn:
            return np.zeros(len(self), dtype=bool)  # known only once a sample is drawn
        height, width = (self.records.table[side].to_numpy() for side in ("height", "width"))
        upright: NDArray[np.bool_] = height > width
        return upright

    def sample(self, index: int, rng: np.random.Generator) -> Sample:
        record = self.records[index]
        geometry = draw_geometry(record.height, record.width, self.augment, rng)
        image, masks = self.moved_image(record, geometry), self.moved_masks(record, geometry)
        pasted: list[Seen] = []
        if self.augment.paste and rng.random() < self.augment.paste:
            image, covered, pasted = self.paste(image, rng)
            masks = ((label, mask * ~covered) for label, mask in masks)
        seen = [*seen_objects(masks), *pasted]
        return Sample(
            image_id=record.image_id,
            image=change_colour(image, self.augment.colour, rng),
            labels=[obj.label for obj in seen],
            centres=[obj.centre for obj in seen],
            box_sizes=[obj.box_size for obj in seen],
            masks=[obj.mask for obj in seen],
            ignored=ignored_pixels(record, geometry),
        )

    def moved_image(self, record: Record, geometry: Geometry) -> np.ndarray:
        """Read and transform an image: [height, width, 3] uint8."""
        return geometry.image(read_image(record.file, (record.height, record.width)))

    def moved_masks(self, record: Record, geometry: Geometry) -> Iterator[tuple[int, np.ndarray]]:
        """Yield label and transformed mask, [height, width] uint8, of each object to learn."""
        for label, mask in full_size_masks(record, ignored=False):
            yield self.mirrored[label] if geometry.flip else label, geometry.mask(mask)

    def paste(
        self, image: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, list["Seen"]]:
        """Paste objects of an image drawn at random into this one, [height, width, 3].

        Returns the new image, the pixels that are covered, [height, width] bool, and the objects.
        """
        donor = self.records[int(rng.integers(len(self.records)))]
        geometry = draw_geometry(donor.height, donor.width, self.augment, rng)
        other = self.moved_image(donor, geometry)
        overlap = draw_overlap(image.shape[:2], other.shape[:2], rng)
        covered = np.zeros(image.shape[:2], bool)
        objects = []
        masks = self.moved_masks(donor, geometry)
        for label, mask in chosen_masks(masks, overlap, image.shape[:2], rng):
            covered |= mask > 0
            objects += seen_objects([(label, mask)])
        return paste_pixels(image, other, overlap, covered), covered, objects

    def collate(self, samples: list[Sample]) -> Batch:
        return collate(samples)


class Seen(NamedTuple):
    """One object of an image as the network sees it."""

    label: int
    centre: tuple[float, float]  # (x, y) of the mass centre, network pixels
    box_size: tuple[float, float]  # (width, height), network pixels
    mask: np.ndarray  # [height / 4, width / 4] uint8


def seen_objects(masks: Iterable[tuple[int, np.ndarray]]) -> list[Seen]:
    """Measure objects by label and mask, [height, width] uint8; those without a pixel are left
    out."""
    return [Seen(label, *found) for label, mask in masks if (found := quarter_size(mask))]


def full_size_masks(record: Record, *, ignored: bool) -> Iterator[tuple[int, np.ndarray]]:
    """Yield label and mask of all ignored objects, or of all others, one at a time."""
    for obj in record.objects:
        if obj.mask is not None and is_ignored(record, obj) == ignored:
            yield obj.label, decode(obj.mask, record.height, record.width)


def ignored_pixels(record: Record, geometry: Geometry) -> np.ndarray | None:
    """Mark the pixels that an ignore region touches, [height / 4, width / 4] bool; None if none.

    Ignored objects are such regions, crowds among them, and so is the part of the image that nobody
    looked at.  One pixel of it makes a whole quarter-size pixel ignored, so that not even the
    smallest region is learnt as background.
    """
    rest = unseen(record)
    region = None if rest is None else decode(rest, record.height, record.width)
    for _, mask in full_size_masks(record, ignored=True):
        region = mask if region is None else region | mask
    if region is None:
        return None
    moved = geometry.mask(region)
    h, w = quarter_shape(moved)
    touched = cv2.resize(255 * moved, (w, h), interpolation=cv2.INTER_AREA) > 0
    return touched if touched.any() else None


def quarter_shape(mask: np.ndarray) -> tuple[int, int]:
    """Return height and width of the quarter-size version of [height, width]: rounded, never 0."""
    return max(int(mask.shape[0] / 4 + 0.5), 1), max(int(mask.shape[1] / 4 + 0.5), 1)


def quarter_size(
    mask: np.ndarray,
) -> tuple[tuple[float, float], tuple[float, float], np.ndarray] | None:
    """Return mass centre, box size and quarter-size mask of [height, width] uint8; None if empty.

    The quarter-size rule is the published one: bilinear, then at least one half.
    """
    per_row, per_column = (
        cv2.reduce(mask, axis, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel() for axis in (1, 0)
    )
    area = int(per_row.sum())
    if area == 0:
        return None
    rows, columns = np.flatnonzero(per_row), np.flatnonzero(per_column)
    x = float(per_column @ np.arange(len(per_column))) / area + 0.5
    y = float(per_row @ np.arange(len(per_row))) / area + 0.5
    box = (float(columns[-1] - columns[0] + 1), float(rows[-1] - rows[0] + 1))
    h, w = quarter_shape(mask)
    small = cv2.resize(mask, (w, h), interpolation=cv2.INTER_LINEAR)
    return (x, y), box, small


def collate(samples: list[Sample]) -> Batch:
    """Put images of different sizes on one canvas, top left, and their objects in one table."""
    images, sizes = pad_images([sample.image for sample in samples])
    h, w = images.shape[-2] // 4, images.shape[-1] // 4
    num = sum(len(sample.labels) for sample in samples)
    masks = np.zeros((num, h, w), dtype=np.uint8)
    row = 0
    for sample in samples:
        for mask in sample.masks:
            masks[row, : mask.shape[0], : mask.shape[1]] = mask
            row += 1
    return Batch(
        image_ids=[sample.image_id for sample in samples],
        images=images,
        sizes=sizes,
        instances=Instances(
            image=torch.tensor(
                [i for i, sample in enumerate(samples) for _ in sample.labels], dtype=torch.int64
            ),
            labels=torch.tensor([x for s in samples for x in s.labels], dtype=torch.int64),
            centres=torch.tensor([x for s in samples for x in s.centres]).view(-1, 2),
            box_sizes=torch.tensor([x for s in samples for x in s.box_sizes]).view(-1, 2),
            masks=torch.from_numpy(masks),
        ),
        ignored=ignored_on_canvas(samples, h, w),
    )


def ignored_on_canvas(samples: list[Sample], h: int, w: int) -> Tensor | None:
    """Mark the ignored pixels of all samples, top left, (B, h, w) bool; None if there are none."""
    if all(sample.ignored is None for sample in samples):
        return None
    canvas = torch.zeros(len(samples), h, w, dtype=torch.bool)
    for i, sample in enumerate(samples):
        if sample.ignored is not None:
            height, width = sample.ignored.shape
            canvas[i, :height, :width] = torch.from_numpy(sample.ignored)
    return canvas
