"""The task of AffinityNet: it learns from class maps of activation maps that are sure of some
pixels."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from upath import UPath

from ray_wssis.artifacts import Part
from ray_wssis.data.class_maps.png import UNKNOWN
from ray_wssis.data.class_maps.tags import background_label
from ray_wssis.data.records import Records
from ray_wssis.methods.cam.config import AFFINITY_KIND, AffinityStage, ClassifierModel
from ray_wssis.models.model_folder import check_model, describe, save_model
from ray_wssis.semantic.task import ImageStream
from ray_wssis.training.streams import Stream

if TYPE_CHECKING:
    from ray_wssis.methods.cam.affinity.learner import AffinityLearner


@dataclass(frozen=True, kw_only=True)
class AffinityTask:
    stage: AffinityStage
    seen_as: ClassifierModel  # tells the sizes of images
    images: ImageStream
    validation: str  # records with true class maps, to measure with
    made_from: dict[str, Any]

    name = "affinity"
    best_metric = "val/pairs"

    @classmethod
    def of(
        cls, stage: AffinityStage, seen_as: ClassifierModel, images: Part, validation: Part
    ) -> "AffinityTask":
        return cls(
            stage=stage,
            seen_as=seen_as,
            images=ImageStream(str(images.path), stage.augment, stage.training.batch_size),
            validation=str(validation.path),
            made_from={
                "images": images,
                "validation": validation,
                "model": stage.model,
                "augment": stage.augment,
                "sides": list(seen_as.sides),
            },
        )

    def accept(self, folder: UPath) -> None:
        """Raise ValueError unless the model in `folder` can replace one that is trained here."""
        check_model(folder, AFFINITY_KIND, Records.read(self.validation).categories)

    def streams(self) -> dict[str, Stream]:
        return {"images": self.images.stream()}

    def learner(self) -> "AffinityLearner":
        from ray_wssis.methods.cam.affinity.learner import AffinityLearner

        background = background_label(Records.read(self.validation).categories)
        return AffinityLearner(self.stage.model, UNKNOWN if background is None else background)

    def validate(self, learner: "AffinityLearner") -> dict[str, float]:
        """Measure how many pairs of cells are told to be alike or different, by true class maps.

        `val/pairs` is the mean of both shares, in percent.
        """
        from ray_wssis.methods.cam.affinity.validation import shares_of_pairs

        truth = Records.read(self.validation)
        first = truth.select(range(min(len(truth), self.stage.training.max_validation_images)))
        radius = self.stage.model.radius
        alike, different = shares_of_pairs(learner.network, radius, self.seen_as, first)
        return {
            "val/pairs": 50 * (alike + different),
            "val/alike": 100 * alike,
            "val/different": 100 * different,
        }

    def save(self, learner: "AffinityLearner", folder: UPath) -> None:
        from ray_wssis.models.licence import licence_line

        model, backbone = self.stage.model, self.stage.model.network.backbone
        card = (
            f"# {self.name}: which cells are alike, with {backbone.name}\n\n"
            f"Trained by ray-wssis on {self.images.count()} images.\n\n"
            f"- backbone weights before training: {licence_line(backbone.name, backbone.weights)}\n"
        )
        categories = Records.read(self.validation).categories
        save_model(folder, learner.network, describe(AFFINITY_KIND, model, categories), card)
