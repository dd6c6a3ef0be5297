"""What the refiner learns: true masks from rough ones, on pictures whose true masks are known.

PointWSSIS (arXiv:2303.15062): early checkpoints of the teacher draw rough masks on the strong
pictures; each of them, with the object it was drawn for, is a training pair.  The loss is soft
dice.

Differs from the paper: a rough mask belongs to the object whose point it was drawn for, so nothing
is matched by distance and crowds take no part.

Legend: B crops, S pixels of a crop side.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from upath import UPath

from ray_wssis.artifacts import Artifact, Part
from ray_wssis.data.annotated import is_ignored
from ray_wssis.data.images import RGB, read_image
from ray_wssis.data.records import Object, Record, Records
from ray_wssis.masks import area, iou
from ray_wssis.methods.point_wssis.refiner import KIND, Refiner, to_tensors
from ray_wssis.methods.point_wssis.refiner_augment import augment_input, draw_point, perturb_mask
from ray_wssis.methods.point_wssis.refiner_augment_config import RefinerAugmentConfig
from ray_wssis.methods.point_wssis.refiner_config import RefinerStage
from ray_wssis.methods.point_wssis.refiner_input import Point, RefinerInput, build_input, mask_crop
from ray_wssis.models.mask_refine_net import MaskRefineNet
from ray_wssis.models.mask_refine_net_config import MaskRefineNetConfig
from ray_wssis.models.model_folder import check_model
from ray_wssis.models.refiner_loss import soft_dice_loss
from ray_wssis.training.streams import Stream

ROWS = "rows"  # of an artifact of rough masks
PAIRS = "pairs"  # the name of the only stream
ROUGH_COLUMNS = ["image_id", "annotation_id", "rough"]


@dataclass(frozen=True, kw_only=True)
class RefinerSample:
    image_id: int
    input: RefinerInput
    truth: NDArray[np.uint8]  # [S, S] of 0 and 1


@dataclass(frozen=True, kw_only=True)
class RefinerBatch:
    image_ids: list[int]
    rgb: Tensor  # (B, S, S, 3) uint8
    rough: Tensor  # (B, S, S) uint8 of 0 and 1
    point: Tensor  # (B, 2) float32: x, y in pixels of the crop
    label: Tensor  # (B,) int64
    truth: Tensor  # (B, S, S) uint8 of 0 and 1

    def to(self, device: torch.device) -> "RefinerBatch":
        return self.moved(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "RefinerBatch":
        """In memory from which a GPU copies while the processor goes on."""
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
    counts or null), any number of rows per picture.  Left out are objects without a rough or a
    true mask, empty ones and crowds.  Raises ValueError when a row belongs to no picture or no
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
        crop, wanted = augment_input(crop, wanted, augment, rng)
        return RefinerSample(image_id=record.image_id, input=crop, truth=wanted)

    def collate(self, samples: list[RefinerSample]) -> RefinerBatch:
        return collate(samples)

    def pair(self, index: int) -> tuple[Record, int, bytes]:
        """The picture, the place of the object in it, and the rough mask."""
        row, place, picture, item = self.places[index].tolist()
        return self.records[picture], item, self.rough["rough"][row].values[place].as_py()


class ImageCache:
    """The pictures read last, up to a number of bytes.  One per process, for one thread."""

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


def find_pairs(records: Records, rough: pa.Table) -> NDArray[np.int64]:
    """[pairs, 4]: row and place of each rough mask, row and place of its object in `records`."""
    row_of = {image_id: row for row, image_id in enumerate(records.table["image_id"].to_pylist())}
    found: list[tuple[int, int, int, int]] = []
    for row in range(rough.num_rows):
        image_id = rough["image_id"][row].as_py()
        if image_id not in row_of:
            raise ValueError(
                f"rough masks, row {row}: image_id {image_id} is not among the {len(records)} "
                f"pictures; were they drawn on another set?"
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


class RefinerLearner(nn.Module):
    """The batch of the only stream -> named losses.

    Needs two crops per worker: batch norm sees them as one pixel.
    """

    def __init__(self, config: MaskRefineNetConfig, num_classes: int) -> None:
        super().__init__()
        self.network = MaskRefineNet(config, num_classes)

    def forward(self, batches: Mapping[str, RefinerBatch]) -> dict[str, Tensor]:
        batch = batches[PAIRS]
        logits = self.network(batch.rgb, batch.rough, batch.point, batch.label)  # (B, 2, S, S)
        return {"dice": soft_dice_loss(logits, batch.truth)}


@dataclass(frozen=True, kw_only=True)
class RefinerTask:
    """Everything a training worker needs; small enough to be sent to it."""

    config: MaskRefineNetConfig
    augment: RefinerAugmentConfig
    pictures: str  # records with masks
    validation: str  # records with masks
    rough: str  # folder of rough masks on both
    max_validation_images: int
    batch_size: int
    made_from: dict[str, Any] = field(default_factory=dict)  # all that decides what is learnt

    name = "refiner"
    best_metric = "val/refined_mIoU"

    @classmethod
    def of(
        cls, stage: RefinerStage, images: Part, validation: Part, rough: Artifact | None
    ) -> "RefinerTask":
        """Compose the task of practising on `rough` masks; None if a ready refiner is adopted."""
        return cls(
            config=stage.model,
            augment=stage.augment,
            pictures=str(images.path),
            validation=str(validation.path),
            rough="" if rough is None else str(rough / ROWS),
            max_validation_images=stage.training.max_validation_images,
            batch_size=stage.training.batch_size,
            made_from={"rough_masks": rough, "model": stage.model, "augment": stage.augment},
        )

    def accept(self, folder: UPath) -> None:
        """Raise ValueError unless the model in `folder` can replace one that is trained here."""
        check_model(folder, KIND, Records.read(self.validation).categories)

    @cached_property
    def samples(self) -> RefinerPairs:
        records, rough = Records.read(self.pictures), self.rough_masks(self.pictures)
        return RefinerPairs(records, rough, self.config, self.augment)

    def rough_masks(self, records: str) -> pa.Table:
        return read_rough(self.rough, UPath(records).stem)

    def streams(self) -> dict[str, Stream]:
        return {PAIRS: Stream(lambda: self.samples, self.batch_size)}

    def learner(self) -> RefinerLearner:
        return RefinerLearner(self.config, len(self.samples.records.categories))

    def validate(self, learner: RefinerLearner) -> dict[str, float]:
        """Mean IoU with the truth, of rough and of refined masks."""
        records = Records.read(self.validation)
        rough = self.rough_masks(self.validation).slice(0, self.max_validation_images)
        held_back = RefinerPairs(records, rough, self.config, self.augment)
        figures = validate(Refiner(learner.network, records.categories), held_back)
        return {f"val/{name}": value for name, value in figures.items()}

    def save(self, learner: RefinerLearner, folder: UPath) -> None:
        Refiner(learner.network, self.samples.records.categories).save(folder, self.card())

    def card(self) -> str:
        """What a person wants to know about the saved model."""
        pairs = self.samples
        names = ", ".join(category.name for category in pairs.records.categories)
        return (
            f"# refiner: MaskRefineNet with {self.config.encoder}\n\n"
            f"Trained by ray-wssis on {len(pairs)} rough masks of {len(pairs.records)} pictures.\n"
            f"\n"
            f"- classes: {names}\n"
            f"- encoder weights before training: {self.config.weights} "
            f"(their licence applies beside that of this model)\n"
            f"- crops: {self.config.crop_size} pixels, {self.config.crop_scale} x the rough mask\n"
        )


def read_rough(folder: str, pictures: str) -> pa.Table:
    """The rough masks in the Parquet files of a folder, for pictures of one source, by picture.

    Which rows share a file is up to chance; the order here is not.  Raises ValueError when there
    are none.
    """
    tables = []
    for file in sorted(UPath(folder).glob("*.parquet"), key=str):
        with file.open("rb") as stream:
            wanted = (pc.field("source") == pictures) & pc.field("error").is_null()
            tables.append(pq.read_table(stream, columns=ROUGH_COLUMNS, filters=wanted))
    if not tables:
        raise ValueError(f"{folder}: there are no Parquet files with rough masks")
    return pa.concat_tables(tables).sort_by("image_id")  # stable: a picture's rows keep theirs


def validate(refiner: Refiner, pairs: RefinerPairs) -> dict[str, float]:
    """Mean IoU in percent with the true masks, in the pictures' pixels, before and after refining.

    Both are 0 when there are no pairs.
    """
    if not len(pairs):
        return {"rough_mIoU": 0.0, "refined_mIoU": 0.0}
    before, after = [], []
    for row in np.unique(pairs.places[:, 0]):
        found = [pairs.pair(int(index)) for index in np.flatnonzero(pairs.places[:, 0] == row)]
        record, roughs = found[0][0], [rough for *_, rough in found]
        items = [item for _, item, _ in found]
        truths = [record.objects[item].mask or b"" for item in items]
        points = [point_of(record, record.objects[item]) for item in items]
        labels = [record.objects[item].label for item in items]
        refined = refiner.refine(pairs.images.read(record), roughs, points, labels)
        for rough, answer, truth in zip(roughs, refined, truths, strict=True):
            before.append(iou(rough, truth, record.height, record.width))
            after.append(iou(answer.mask, truth, record.height, record.width))
    means = {"rough_mIoU": np.mean(before), "refined_mIoU": np.mean(after)}
    return {name: 100 * float(mean) for name, mean in means.items()}


def point_of(record: Record, obj: Object) -> Point:
    """The point of an object; without one, a point of its mask, always the same."""
    rng = np.random.default_rng(obj.annotation_id)
    return draw_point(obj.point, obj.mask or b"", record.height, 0, rng)
