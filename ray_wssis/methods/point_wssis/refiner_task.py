"""The task of the refiner: true masks from rough ones, on images whose true masks are known.

PointWSSIS (arXiv:2303.15062): early checkpoints of the teacher draw rough masks on the strong
images; each of them, with the object it was drawn for, is a training pair.  The loss is soft
dice.

Differs from the paper: a rough mask belongs to the object whose point it was drawn for, so nothing
is matched by distance and crowds take no part.

A driver makes tasks and sends them to workers: methods import torch where a worker calls them.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from upath import UPath

from ray_wssis.artifacts import Artifact, Part
from ray_wssis.data.records import Records
from ray_wssis.methods.point_wssis.refiner_augment_config import RefinerAugmentConfig
from ray_wssis.methods.point_wssis.refiner_config import KIND, RefinerStage
from ray_wssis.models.mask_refine_net_config import MaskRefineNetConfig
from ray_wssis.models.model_folder import check_model, hash_start
from ray_wssis.storage import locate
from ray_wssis.training.streams import Stream

if TYPE_CHECKING:
    from ray_wssis.methods.point_wssis.refiner_learner import RefinerLearner
    from ray_wssis.methods.point_wssis.refiner_pairs import RefinerPairs

ROWS = "rows"  # of an artifact of rough masks
PAIRS = "pairs"  # the name of the only stream


@dataclass(frozen=True, kw_only=True)
class RefinerTask:
    """Everything that a training worker needs; small enough to be sent to it."""

    config: MaskRefineNetConfig
    augment: RefinerAugmentConfig
    images: str  # records with masks
    validation: str  # records with masks
    rough: str  # folder of rough masks on both
    max_validation_images: int
    batch_size: int
    start: str | None = None  # a model folder to take the first weights from
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
            images=str(images.path),
            validation=str(validation.path),
            rough="" if rough is None else str(rough / ROWS),
            max_validation_images=stage.training.max_validation_images,
            batch_size=stage.training.batch_size,
            start=stage.start,
            made_from={
                "rough_masks": rough,
                "model": stage.model,
                "augment": stage.augment,
                **hash_start(stage.start),
            },
        )

    def accept(self, folder: UPath) -> None:
        """Raise ValueError unless the model in `folder` can replace one that is trained here."""
        check_model(folder, KIND, Records.read(self.validation).categories)

    @cached_property
    def samples(self) -> "RefinerPairs":
        from ray_wssis.methods.point_wssis.refiner_pairs import RefinerPairs

        records, rough = Records.read(self.images), self.rough_masks(self.images)
        return RefinerPairs(records, rough, self.config, self.augment)

    def rough_masks(self, records: str) -> pa.Table:
        from ray_wssis.methods.point_wssis.refiner_pairs import read_rough

        return read_rough(self.rough, UPath(records).stem)

    def streams(self) -> dict[str, Stream]:
        return {PAIRS: Stream(lambda: self.samples, self.batch_size)}

    def learner(self) -> "RefinerLearner":
        from ray_wssis.methods.point_wssis.refiner_learner import RefinerLearner
        from ray_wssis.models.start import load_start

        learner = RefinerLearner(self.config, len(self.samples.records.categories))
        if self.start is not None:
            load_start(learner.network, locate(self.start))
        return learner

    def validate(self, learner: "RefinerLearner") -> dict[str, float]:
        """Measure the mean IoU with the truth, of rough and of refined masks."""
        from ray_wssis.methods.point_wssis.refiner import Refiner
        from ray_wssis.methods.point_wssis.refiner_learner import validate
        from ray_wssis.methods.point_wssis.refiner_pairs import RefinerPairs

        records = Records.read(self.validation)
        rough = self.rough_masks(self.validation).slice(0, self.max_validation_images)
        held_back = RefinerPairs(records, rough, self.config, self.augment)
        figures = validate(Refiner(learner.network, records.categories), held_back)
        return {f"val/{name}": value for name, value in figures.items()}

    def save(self, learner: "RefinerLearner", folder: UPath) -> None:
        from ray_wssis.methods.point_wssis.refiner import Refiner

        Refiner(learner.network, self.samples.records.categories).save(folder, self.card())

    def card(self) -> str:
        """Describe the saved model for people."""
        from ray_wssis.models.licence import licence_line

        pairs, config = self.samples, self.config
        names = ", ".join(category.name for category in pairs.records.categories)
        return (
            f"# refiner: MaskRefineNet with {config.encoder}\n\n"
            f"Trained by ray-wssis on {len(pairs)} rough masks of {len(pairs.records)} images.\n"
            f"\n"
            f"- classes: {names}\n"
            f"- encoder weights before training: {licence_line(config.encoder, config.weights)}\n"
            f"- crops: {config.crop_size} pixels, {config.crop_scale} x the rough mask\n"
        )
