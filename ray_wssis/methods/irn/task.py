"""The task of IRNet: it learns from class maps of activation maps.

A driver makes tasks and sends them to workers: methods import torch where a worker calls them.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from upath import UPath

from ray_wssis.artifacts import Part
from ray_wssis.data.class_maps.png import UNKNOWN
from ray_wssis.data.class_maps.tags import background_of
from ray_wssis.data.records import Records
from ray_wssis.methods.irn.config import KIND, IRNetModel, IRNetStage
from ray_wssis.models.model_folder import check_model
from ray_wssis.semantic.task import ImageStream
from ray_wssis.training.streams import Stream

if TYPE_CHECKING:
    from ray_wssis.methods.irn.learner import IRNetLearner


@dataclass(frozen=True, kw_only=True)
class IRNetTask:
    model: IRNetModel
    images: ImageStream  # with class maps that are sure of some pixels
    validation: str  # records with true class maps, to measure with
    max_validation_images: int
    made_from: dict[str, Any]

    name = "irnet"
    best_metric = "val/pairs"

    @classmethod
    def of(cls, stage: IRNetStage, images: Part, validation: Part) -> "IRNetTask":
        return cls(
            model=stage.model,
            images=ImageStream(str(images.path), stage.augment, stage.training.batch_size),
            validation=str(validation.path),
            max_validation_images=stage.training.max_validation_images,
            made_from={
                "images": images,
                "validation": validation,
                "model": stage.model,
                "augment": stage.augment,
            },
        )

    def accept(self, folder: UPath) -> None:
        """Raise ValueError unless the model in `folder` can replace one that is trained here."""
        check_model(folder, KIND, Records.read(self.validation).categories)

    def streams(self) -> dict[str, Stream]:
        return {"images": self.images.stream()}

    def learner(self) -> "IRNetLearner":
        from ray_wssis.methods.irn.learner import IRNetLearner

        return IRNetLearner(self.model, self.background())

    def background(self) -> int:
        """Return the label of the background, or one that no pixel has."""
        return next(iter(background_of(Records.read(self.validation).categories)), UNKNOWN)

    def validate(self, learner: "IRNetLearner") -> dict[str, float]:
        """Measure how many pairs of cells are told to be alike or different, by true class maps.

        `val/pairs` is the mean of both shares, in percent.
        """
        from ray_wssis.methods.irn.validation import shares_of_pairs

        truth = Records.read(self.validation)
        first = range(min(len(truth), self.max_validation_images))
        alike, different = shares_of_pairs(learner.network, self.model, truth.select(first))
        return {
            "val/pairs": 50 * (alike + different),
            "val/alike": 100 * alike,
            "val/different": 100 * different,
        }

    def save(self, learner: "IRNetLearner", folder: UPath) -> None:
        from ray_wssis.methods.irn.fields import Fields
        from ray_wssis.models.licence import licence_line

        backbone = self.model.network.backbone
        card = (
            f"# {self.name}: boundaries and displacements with {backbone.name}\n\n"
            f"Trained by ray-wssis on {self.images.count()} images.\n\n"
            f"- backbone weights before training: {licence_line(backbone.name, backbone.weights)}\n"
            f"- image size: shorter side {self.model.shorter}, longest {self.model.longest}\n"
        )
        categories = Records.read(self.validation).categories
        Fields(learner.network, self.model).save(folder, categories, card)
