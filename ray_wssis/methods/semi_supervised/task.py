"""The task of a network that learns from strong images and from images without labels."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from upath import UPath

from ray_wssis.artifacts import Part
from ray_wssis.data.records import Records
from ray_wssis.methods.semi_supervised.config import CPS, MeanTeacher, SemiSupervisedStage
from ray_wssis.models.model_folder import check_model
from ray_wssis.semantic.segmenter_config import KIND
from ray_wssis.semantic.task import ImageStream, save, validate
from ray_wssis.training.streams import Stream

if TYPE_CHECKING:
    from ray_wssis.methods.semi_supervised.cps import CPSLearner
    from ray_wssis.methods.semi_supervised.mean_teacher import MeanTeacherLearner
    from ray_wssis.methods.semi_supervised.unimatch import UniMatchLearner

    Learner = CPSLearner | MeanTeacherLearner | UniMatchLearner


@dataclass(frozen=True, kw_only=True)
class SemiSupervisedTask:
    stage: SemiSupervisedStage
    images: dict[str, ImageStream]
    validation: str
    made_from: dict[str, Any]

    name = "student"
    best_metric = "val/mIoU"

    @classmethod
    def of(
        cls, stage: SemiSupervisedStage, strong: Part, unlabelled: Part, validation: Part
    ) -> "SemiSupervisedTask":
        others = stage.training.batch_size - stage.strong_images
        return cls(
            stage=stage,
            images={
                "strong": ImageStream(str(strong.path), stage.augment, stage.strong_images),
                "unlabelled": ImageStream(str(unlabelled.path), stage.unlabelled_augment, others),
            },
            validation=str(validation.path),
            made_from={
                "strong": strong,
                "unlabelled": unlabelled,
                "validation": validation,
                "model": stage.model,
                "augment": [stage.augment, stage.unlabelled_augment],
                "strong_images": stage.strong_images,
                "method": stage.method,
            },
        )

    def accept(self, folder: UPath) -> None:
        """Raise ValueError unless the model in `folder` can replace one that is trained here."""
        check_model(folder, KIND, Records.read(self.validation).categories)

    def streams(self) -> dict[str, Stream]:
        return {name: images.stream() for name, images in self.images.items()}

    def learner(self) -> "Learner":
        from ray_wssis.methods.semi_supervised.cps import CPSLearner
        from ray_wssis.methods.semi_supervised.mean_teacher import MeanTeacherLearner
        from ray_wssis.methods.semi_supervised.unimatch import UniMatchLearner

        model, method = self.stage.model, self.stage.method
        num_classes = len(Records.read(self.validation).categories)
        if isinstance(method, CPS):
            return CPSLearner(model, method, num_classes)
        if isinstance(method, MeanTeacher):
            return MeanTeacherLearner(model, method, num_classes)
        return UniMatchLearner(model, method, num_classes)

    def validate(self, learner: "Learner") -> dict[str, float]:
        most = self.stage.training.max_validation_images
        return validate(learner.served, self.stage.model, self.validation, most)

    def save(self, learner: "Learner", folder: UPath) -> None:
        number = sum(images.count() for images in self.images.values())
        save(self.name, learner.served, self.stage.model, number, self.validation, folder)
