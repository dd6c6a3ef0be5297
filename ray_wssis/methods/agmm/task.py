"""The task of a network that learns from sparse labels."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from upath import UPath

from ray_wssis.artifacts import Part
from ray_wssis.data.records import Records
from ray_wssis.methods.agmm.config import SparseStage
from ray_wssis.models.model_folder import check_model, hash_start
from ray_wssis.semantic.segmenter_config import KIND
from ray_wssis.semantic.task import ImageStream, save, validate
from ray_wssis.storage import locate
from ray_wssis.training.streams import Stream

if TYPE_CHECKING:
    from ray_wssis.methods.agmm.learner import SparseLearner


@dataclass(frozen=True, kw_only=True)
class SparseTask:
    name: str  # in the model card
    stage: SparseStage
    images: ImageStream
    validation: str
    made_from: dict[str, Any]

    best_metric = "val/mIoU"

    @classmethod
    def of(cls, name: str, stage: SparseStage, sparse: Part, validation: Part) -> "SparseTask":
        return cls(
            name=name,
            stage=stage,
            images=ImageStream(
                str(sparse.path), stage.augment, stage.training.batch_size, sparse=True
            ),
            validation=str(validation.path),
            made_from={
                "sparse": sparse,
                "validation": validation,
                "model": stage.model,
                "augment": stage.augment,
                "terms": stage.terms,
                "sigma": stage.sigma,
                "soft_labels": stage.soft_labels if stage.terms.soft else None,
                **hash_start(stage.start),
            },
        )

    def accept(self, folder: UPath) -> None:
        """Raise ValueError unless the model in `folder` can replace one that is trained here."""
        check_model(folder, KIND, Records.read(self.validation).categories)

    def streams(self) -> dict[str, Stream]:
        return {"sparse": self.images.stream()}

    def learner(self) -> "SparseLearner":
        from ray_wssis.methods.agmm.learner import SparseLearner
        from ray_wssis.models.start import load_start

        learner = SparseLearner(self.stage, len(Records.read(self.validation).categories))
        if self.stage.start is not None:
            load_start(learner.network, locate(self.stage.start))
        return learner

    def validate(self, learner: "SparseLearner") -> dict[str, float]:
        most = self.stage.training.max_validation_images
        return validate(learner.network, self.stage.model, self.validation, most)

    def save(self, learner: "SparseLearner", folder: UPath) -> None:
        of = (self.name, learner.network, self.stage.model, self.images.count())
        save(*of, self.validation, folder)
