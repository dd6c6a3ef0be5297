"""The task of a teacher, a student or an upper bound: SOLOv2 on images with masks.

A teacher and a student are the same network with other grids and scale ranges (PointWSSIS,
arXiv:2303.15062, "Implementation Details"): the teacher's ranges are disjoint, so that each size
of object is the business of exactly one level.

A driver makes tasks and sends them to workers: methods import torch where a worker calls them.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from upath import UPath

from ray_wssis.artifacts import Part
from ray_wssis.data.augment_config import AugmentConfig
from ray_wssis.data.records import Records
from ray_wssis.instance.segmenter_config import BACKBONE, KIND, SegmenterConfig, SegmenterStage
from ray_wssis.metrics.coco_ap import average_precision
from ray_wssis.models.model_folder import check_model, hash_start
from ray_wssis.storage import locate
from ray_wssis.training.streams import Stream

if TYPE_CHECKING:
    from ray_wssis.instance.learner import SegmenterLearner
    from ray_wssis.instance.query_learner import QueryLearner
    from ray_wssis.instance.query_segmenter import QuerySegmenter
    from ray_wssis.instance.samples import SegmenterSamples
    from ray_wssis.instance.segmenter import Segmenter

IMAGES = "images"  # the name of the only stream


@dataclass(frozen=True, kw_only=True)
class SegmenterTask:
    """Everything that a training worker needs; small enough to be sent to it."""

    name: str  # teacher, student or upper_bound
    config: SegmenterConfig
    augment: AugmentConfig
    images: str  # records with masks
    validation: str  # records with masks
    max_validation_images: int
    batch_size: int
    start: str | None = None  # a model folder to take the first weights from
    made_from: dict[str, Any] = field(default_factory=dict)  # all that decides what is learnt

    best_metric = "val/AP"

    @classmethod
    def of(
        cls, name: str, stage: SegmenterStage, images: Part, validation: Part
    ) -> "SegmenterTask":
        """Compose the task of a stage that learns from `images`, records with masks."""
        start = None if stage.start == BACKBONE else stage.start
        return cls(
            name=name,
            config=stage.model,
            augment=stage.augment,
            images=str(images.path),
            validation=str(validation.path),
            max_validation_images=stage.training.max_validation_images,
            batch_size=stage.training.batch_size,
            start=start,
            made_from={
                "images": images,
                "validation": validation,
                "model": stage.model,
                "augment": stage.augment,
                **hash_start(start),
            },
        )

    def accept(self, folder: UPath) -> None:
        """Raise ValueError unless the model in `folder` can replace one that is trained here."""
        check_model(folder, KIND, Records.read(self.validation).categories)

    @cached_property
    def samples(self) -> "SegmenterSamples":
        from ray_wssis.instance.samples import SegmenterSamples

        return SegmenterSamples(Records.read(self.images), self.augment)

    def streams(self) -> dict[str, Stream]:
        return {IMAGES: Stream(lambda: self.samples, self.batch_size)}

    def learner(self) -> "SegmenterLearner | QueryLearner":
        from ray_wssis.instance.learner import SegmenterLearner
        from ray_wssis.instance.query_learner import QueryLearner
        from ray_wssis.models.start import load_start

        cls = SegmenterLearner if self.config.queries is None else QueryLearner
        learner = cls(self.config, len(self.samples.records.categories))
        if self.start is not None:
            load_start(learner.network, locate(self.start))
        return learner

    def segmenter(self, learner: "SegmenterLearner | QueryLearner") -> "Segmenter | QuerySegmenter":
        """Return the network of a learner at work."""
        from ray_wssis.instance.learner import SegmenterLearner
        from ray_wssis.instance.query_segmenter import QuerySegmenter
        from ray_wssis.instance.segmenter import Segmenter

        categories = self.samples.records.categories
        if isinstance(learner, SegmenterLearner):
            return Segmenter(learner.network, self.config, categories)
        return QuerySegmenter(learner.network, self.config, categories)

    def validate(self, learner: "SegmenterLearner | QueryLearner") -> dict[str, float]:
        """Measure the average precision, without any prompt, on the first validation images."""
        from ray_wssis.instance.learner import segment_records

        truth = Records.read(self.validation)
        truth = truth.select(range(min(len(truth), self.max_validation_images)))
        found = segment_records(self.segmenter(learner), truth)
        return {f"val/{name}": value for name, value in average_precision(truth, found).items()}

    def save(self, learner: "SegmenterLearner | QueryLearner", folder: UPath) -> None:
        self.segmenter(learner).save(folder, self.card())

    def card(self) -> str:
        """Describe the saved model for people."""
        from ray_wssis.models.licence import licence_line

        names = ", ".join(category.name for category in self.samples.records.categories)
        name, weights = self.config.first_weights
        return (
            f"# {self.name}: {self.config.describe()}\n\n"
            f"Trained by ray-wssis on {len(self.samples)} images.\n\n"
            f"- classes: {names}\n"
            f"- backbone weights before training: {licence_line(name, weights)}\n"
            f"- image size: shorter side {self.config.shorter}, longest {self.config.longest}\n"
        )
