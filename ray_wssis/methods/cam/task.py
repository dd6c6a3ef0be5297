"""The task of a classifier that learns from tags."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from upath import UPath

from ray_wssis.artifacts import Part
from ray_wssis.data.class_maps.tags import background_label
from ray_wssis.data.records import Records
from ray_wssis.methods.cam.config import KIND, ClassifierStage
from ray_wssis.models.model_folder import check_model, describe, save_model
from ray_wssis.semantic.task import VALIDATION_BATCH, ImageStream
from ray_wssis.training.streams import Stream

if TYPE_CHECKING:
    from ray_wssis.methods.cam.learner import ClassifierLearner


@dataclass(frozen=True, kw_only=True)
class ClassifierTask:
    stage: ClassifierStage
    images: ImageStream
    validation: str
    made_from: dict[str, Any]

    name = "classifier"
    best_metric = "val/mAP"

    @classmethod
    def of(cls, stage: ClassifierStage, tagged: Part, validation: Part) -> "ClassifierTask":
        return cls(
            stage=stage,
            images=ImageStream(str(tagged.path), stage.augment, stage.training.batch_size),
            validation=str(validation.path),
            made_from={
                "tagged": tagged,
                "validation": validation,
                "model": stage.model,
                "augment": stage.augment,
            },
        )

    def accept(self, folder: UPath) -> None:
        """Raise ValueError unless the model in `folder` can replace one that is trained here."""
        check_model(folder, KIND, Records.read(self.validation).categories)

    def streams(self) -> dict[str, Stream]:
        return {"tagged": self.images.stream()}

    def learner(self) -> "ClassifierLearner":
        from ray_wssis.methods.cam.learner import ClassifierLearner

        categories = Records.read(self.validation).categories
        background = background_label(categories)
        return ClassifierLearner(self.stage, len(categories), background)

    def validate(self, learner: "ClassifierLearner") -> dict[str, float]:
        """Measure how well the scores sort the validation images by what they show."""
        import numpy as np

        from ray_wssis.data.images.read import read_image
        from ray_wssis.methods.cam.maps import ActivationMaps
        from ray_wssis.metrics.ranking import mean_average_precision
        from ray_wssis.semantic.segmenter import network_image

        truth = Records.read(self.validation)
        maps_of = ActivationMaps(learner.network, self.stage.model, truth.categories)
        total = min(len(truth), self.stage.training.max_validation_images)
        scores, shown = [], np.zeros((total, len(truth.categories)), bool)
        for first in range(0, total, VALIDATION_BATCH):
            records = list(truth.select(range(first, min(total, first + VALIDATION_BATCH))))
            for place, record in enumerate(records, first):
                shown[place, list(record.tags or ())] = True
            sizes = [(record.height, record.width) for record in records]
            images = [
                network_image(read_image(record.file, size), self.stage.model)
                for record, size in zip(records, sizes, strict=True)
            ]
            scores += [maps.mean(dim=(1, 2)).cpu().numpy() for maps in maps_of.seen(images)]
        classes = list(learner.network.method.classes)
        figure = mean_average_precision(np.array(scores)[:, classes], shown[:, classes])
        return {"val/mAP": 100 * figure}

    def save(self, learner: "ClassifierLearner", folder: UPath) -> None:
        from ray_wssis.models.licence import licence_line

        categories = Records.read(self.validation).categories
        model, backbone = self.stage.model, self.stage.model.network.backbone
        names = ", ".join(category.name for category in categories)
        card = (
            f"# {self.name}: class activation maps with {backbone.name}\n\n"
            f"Trained by ray-wssis on the tags of {self.images.count()} images.\n\n"
            f"- classes: {names}\n"
            f"- backbone weights before training: {licence_line(backbone.name, backbone.weights)}\n"
            f"- image size: shorter side {model.shorter}, longest {model.longest}\n"
        )
        save_model(folder, learner.network, describe(KIND, model, categories), card)
