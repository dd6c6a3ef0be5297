"""Images with class maps or tags, augmented, as batches for a semantic network."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int, UInt8
from numpy.typing import NDArray
from torch import Tensor

from ray_wssis.data.augment import change_colour
from ray_wssis.data.class_maps.png import UNKNOWN, decode, present
from ray_wssis.data.images.read import read_image
from ray_wssis.data.mirrored_classes import mirrored_labels
from ray_wssis.data.records import Records
from ray_wssis.semantic.augment_config import SemanticAugment
from ray_wssis.semantic.crop import draw_crop

CERTAIN = 255  # confidence of what people drew


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One image ready for the network."""

    image_id: int
    image: np.ndarray  # [S, S, 3] uint8
    class_map: np.ndarray  # [S, S] uint8, unknown where nobody knows and beyond the image
    confidence: np.ndarray  # [S, S] uint8, probability of the class map's labels, times 255
    inside: np.ndarray  # [S, S] bool: shows the image
    tags: np.ndarray  # [K] bool: classes that may be there
    is_tagged: bool  # False: nobody said which, and all may be


@dataclass(frozen=True, kw_only=True)
class Batch:
    image_ids: list[int]
    images: UInt8[Tensor, "B 3 S S"]
    sizes: Int[Tensor, "B 2"]  # height, width
    class_maps: UInt8[Tensor, "B S S"]
    confidence: UInt8[Tensor, "B S S"]
    inside: Bool[Tensor, "B S S"]
    tags: Bool[Tensor, "B K"]
    is_tagged: Bool[Tensor, " B"]

    def to(self, device: torch.device) -> "Batch":
        return self.moved(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "Batch":
        """Move to memory from which a GPU copies while the processor continues."""
        return self.moved(Tensor.pin_memory)

    def moved(self, move: Callable[[Tensor], Tensor]) -> "Batch":
        tensors = {name: move(value) for name, value in vars(self).items() if name != "image_ids"}
        return Batch(image_ids=self.image_ids, **tensors)


class SemanticSamples:
    """Images of a table of records, augmented afresh whenever they are drawn."""

    def __init__(self, records: Records, augment: SemanticAugment, *, sparse: bool = False) -> None:
        self.records = records
        self.augment = augment
        self.sparse = sparse  # class maps are unknown nearly everywhere
        self.mirrored = np.array(mirrored_labels(records.categories))

    def __len__(self) -> int:
        return len(self.records)

    def orientations(self) -> NDArray[np.bool_]:
        return np.zeros(len(self), dtype=bool)  # all crops are squares

    def sample(self, index: int, rng: np.random.Generator) -> Sample:
        record = self.records[index]
        height, width = record.height, record.width
        crop = draw_crop(height, width, self.augment, rng)
        image = crop.image(read_image(record.file, (height, width)))
        if record.class_map is None:
            class_map = np.full((crop.side, crop.side), UNKNOWN, np.uint8)
        else:
            move = crop.sparse_class_map if self.sparse else crop.class_map
            class_map = move(decode(record.class_map))
        confidence = np.full((crop.side, crop.side), CERTAIN, np.uint8)
        if record.confidence is not None:
            confidence = crop.class_map(decode(record.confidence))
        tags = np.zeros(len(self.records.categories), bool)
        tags[list(range(len(tags)) if record.tags is None else record.tags)] = True
        tags[list(present(class_map))] = True  # what a class map shows is there, whoever says what
        if crop.flip:
            class_map = np.append(self.mirrored, np.full(256 - len(tags), UNKNOWN))[class_map]
            tags = tags[self.mirrored]
        return Sample(
            image_id=record.image_id,
            image=change_colour(image, self.augment.colour, rng),
            class_map=class_map.astype(np.uint8),
            confidence=confidence,
            inside=crop.inside(height, width),
            tags=tags,
            is_tagged=record.tags is not None,
        )

    def collate(self, samples: list[Sample]) -> Batch:
        images = torch.from_numpy(np.stack([sample.image for sample in samples]))
        return Batch(
            image_ids=[sample.image_id for sample in samples],
            images=images.permute(0, 3, 1, 2).contiguous(),
            sizes=torch.tensor([sample.image.shape[:2] for sample in samples]),
            class_maps=torch.from_numpy(np.stack([sample.class_map for sample in samples])),
            confidence=torch.from_numpy(np.stack([sample.confidence for sample in samples])),
            inside=torch.from_numpy(np.stack([sample.inside for sample in samples])),
            tags=torch.from_numpy(np.stack([sample.tags for sample in samples])),
            is_tagged=torch.tensor([sample.is_tagged for sample in samples]),
        )
