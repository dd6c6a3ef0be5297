"""Rough masks with the true masks that the refiner learns to make of them.

Legend: B crops, S pixels of a crop side.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from jaxtyping import Float, Int, Int64, UInt8
from numpy.typing import NDArray
from torch import Tensor
from upath import UPath

from ray_wssis.data.annotated import is_ignored
from ray_wssis.data.images.read import RGB, read_image
from ray_wssis.data.mirrored_classes import mirrored_labels
from ray_wssis.data.records import Object, Record, Records
from ray_wssis.masks import area
from ray_wssis.methods.point_wssis.refiner import to_tensors
from ray_wssis.methods.point_wssis.refiner_augment import augment_input, draw_point, perturb_mask
from ray_wssis.methods.point_wssis.refiner_augment_config import RefinerAugmentConfig
from ray_wssis.methods.point_wssis.refiner_input import Point, RefinerInput, build_input, mask_crop
from ray_wssis.models.mask_refine_net_config import MaskRefineNetConfig

ROUGH_COLUMNS = ["image_id", "annotation_id", "rough"]


@dataclass(frozen=True, kw_only=True)
class RefinerSample:
    image_id: int
    input: RefinerInput
    truth: UInt8[NDArray[np.uint8], "S S"]  # 0 and 1


@dataclass(frozen=True, kw_only=True)
class RefinerBatch:
    image_ids: list[int]
    rgb: UInt8[Tensor, "B S S 3"]
    rough: UInt8[Tensor, "B S S"]  # 0 and 1
    point: Float[Tensor, "B 2"]  # x, y in pixels of the crop
    label: Int[Tensor, " B"]
    truth: UInt8[Tensor, "B S S"]  # 0 and 1

    def to(self, device: torch.device) -> "RefinerBatch":
        return self.moved(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "RefinerBatch":
        """Move to memory from which a GPU copies while the processor continues."""
        return self.moved(Tensor.pin_memory)

    def moved(self, move: Callable[[Tensor], Tensor]) -> "RefinerBatch":
        return RefinerBatch(
            image_ids=self.image_ids,
            rgb=move(self.rgb),
            rough=move(self.rough),
            point=move(self.point),
            label=move(self.label),
            truth=move(self.truth),
        )


class RefinerPairs:
    """Every rough mask with the object it was drawn for.

    `rough` is a table with columns image_id, annotation_id (list) and rough (list of run-length
    counts or null), any number of rows per image.  Left out are objects without a rough or a
    true mask, empty ones and crowds.  Raises ValueError when a row belongs to no image or no
    object of `records`.
    """

    def __init__(
        self,
        records: Records,
        rough: pa.Table,
        config: MaskRefineNetConfig,
        augment: RefinerAugmentConfig,
        cache_bytes: int = 256 * 2**20,
    ) -> None:
        self.records = records
        self.rough = rough.select(ROUGH_COLUMNS).combine_chunks()
        self.config = config
        self.augment = augment
        self.mirrored = mirrored_labels(records.categories)
        self.images = ImageCache(cache_bytes)
        self.places = find_pairs(records, self.rough)  # (pairs, 4)

    def __len__(self) -> int:
        return len(self.places)

    def orientations(self) -> NDArray[np.bool_]:
        return np.zeros(len(self), dtype=bool)  # all crops are squares of one size

    def sample(self, index: int, rng: np.random.Generator) -> RefinerSample:
        """One training crop; all randomness comes from `rng`."""
        record, item, rough = self.pair(index)
        obj = record.objects[item]
        truth = obj.mask
        assert truth is not None
        height, width, augment = record.height, record.width, self.augment
        point = draw_point(obj.point, truth, height, augment.random_point, rng)
        if rng.random() < augment.rough_noise:
            rough = perturb_mask(rough, height, width, rng)
        crop = build_input(
            self.images.read(record),
            rough,
            point,
            obj.label,
            scale=rng.uniform(augment.min_scale, augment.max_scale),
            config=self.config,
        )
        wanted = mask_crop(truth, height, crop.box, self.config.crop_size)
        crop, wanted = augment_input(crop, wanted, augment, self.mirrored, rng)
        return RefinerSample(image_id=record.image_id, input=crop, truth=wanted)

    def collate(self, samples: list[RefinerSample]) -> RefinerBatch:
        return collate(samples)

    def pair(self, index: int) -> tuple[Record, int, bytes]:
        """Return the image, the place of the object in it, and the rough mask."""
        row, place, image, item = self.places[index].tolist()
        return self.records[image], item, self.rough["rough"][row].values[place].as_py()


class ImageCache:
    """Keeps the images read last, up to a number of bytes.  One per process, for one thread."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.images: dict[str, RGB] = {}  # least recently used first

    def read(self, record: Record) -> RGB:
        image = self.images.pop(record.file, None)
        if image is None:
            image = read_image(record.file, (record.height, record.width))
        self.images[record.file] = image
        while len(self.images) > 1 and self.num_bytes() > self.max_bytes:
            del self.images[next(iter(self.images))]
        return image

    def num_bytes(self) -> int:
        return sum(image.nbytes for image in self.images.values())


def find_pairs(records: Records, rough: pa.Table) -> Int64[NDArray[np.int64], "pairs 4"]:
    """[pairs, 4]: row and place of each rough mask, row and place of its object in `records`."""
    row_of = {image_id: row for row, image_id in enumerate(records.table["image_id"].to_pylist())}
    found: list[tuple[int, int, int, int]] = []
    for row in range(rough.num_rows):
        image_id = rough["image_id"][row].as_py()
        if image_id not in row_of:
            raise ValueError(
                f"rough masks, row {row}: image_id {image_id} is not among the {len(records)} "
                f"images; were they drawn on another set?"
            )
        record = records[row_of[image_id]]
        masks = rough["rough"][row].as_py()
        for place, item in enumerate(objects_of(record, rough["annotation_id"][row].as_py())):
            obj = record.objects[item]
            if not is_ignored(record, obj) and both_masks(record, masks[place], obj.mask):
                found.append((row, place, row_of[image_id], item))
    return np.asarray(found, dtype=np.int64).reshape(-1, 4)


def objects_of(record: Record, annotation_ids: Iterable[int]) -> list[int]:
    """The places of these annotations among the objects of the image."""
    place_of = {obj.annotation_id: i for i, obj in enumerate(record.objects)}
    lost = [annotation_id for annotation_id in annotation_ids if annotation_id not in place_of]
    if lost:
        raise ValueError(
            f"rough masks of image {record.image_id}: it has no annotation {lost[:3]}; "
            f"were they drawn for another set of points?"
        )
    return [place_of[annotation_id] for annotation_id in annotation_ids]


def both_masks(record: Record, rough: bytes | None, truth: bytes | None) -> bool:
    return all(mask and area(mask, record.height, record.width) for mask in (rough, truth))


def collate(samples: list[RefinerSample]) -> RefinerBatch:
    rgb, rough, point, label = to_tensors([sample.input for sample in samples])
    return RefinerBatch(
        image_ids=[sample.image_id for sample in samples],
        rgb=rgb,
        rough=rough,
        point=point,
        label=label,
        truth=torch.from_numpy(np.stack([sample.truth for sample in samples])),
    )


def read_rough(folder: str, source: str) -> pa.Table:
    """Read the rough masks in the Parquet files of a folder, for one source, by image.

    Which rows share a file is up to chance; the order here is not.  Raises ValueError when there
    are none.
    """
    tables = []
    for file in sorted(UPath(folder).glob("*.parquet"), key=str):
        with file.open("rb") as stream:
            wanted = (pc.field("source") == source) & pc.field("error").is_null()
            tables.append(pq.read_table(stream, columns=ROUGH_COLUMNS, filters=wanted))
    if not tables:
        raise ValueError(f"{folder}: there are no Parquet files with rough masks")
    return pa.concat_tables(tables).sort_by("image_id")  # stable: an image's rows keep theirs


def point_of(record: Record, obj: Object) -> Point:
    """The point of an object; without one, a point of its mask, always the same."""
    rng = np.random.default_rng(obj.annotation_id)
    return draw_point(obj.point, obj.mask or b"", record.height, 0, rng)
