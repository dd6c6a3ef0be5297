"""The task of the two networks of LPL; only hybrid is validated, saved and served."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from upath import UPath

from ray_wssis.artifacts import Part
from ray_wssis.data.records import Records
from ray_wssis.models.model_folder import check_model
from ray_wssis.semantic.augment_config import SemanticAugment
from ray_wssis.semantic.segmenter_config import KIND, SemanticConfig, SemanticStage
from ray_wssis.semantic.task import ImageStream, save, validate
from ray_wssis.training.streams import Stream

if TYPE_CHECKING:
    from ray_wssis.methods.lpl.learner import LPLLearner


@dataclass(frozen=True, kw_only=True)
class LPLTask:
    config: SemanticConfig
    images: dict[str, ImageStream]
    validation: str
    max_validation_images: int
    made_from: dict[str, Any]
    has_first_labels: bool = False  # the weak images

    name = "hybrid"
    best_metric = "val/mIoU@tags"  # as it is used

    @classmethod
    def of(
        cls,
        stage: SemanticStage,
        strong: Part,
        weak: Part,
        weak_augment: SemanticAugment,
        strong_images: int,
        validation: Part,
        *,
        has_first_labels: bool = False,
    ) -> "LPLTask":
        weak_images = stage.training.batch_size - strong_images
        return cls(
            config=stage.model,
            images={
                "strong": ImageStream(str(strong.path), stage.augment, strong_images),
                "weak": ImageStream(str(weak.path), weak_augment, weak_images),
            },
            validation=str(validation.path),
            max_validation_images=stage.training.max_validation_images,
            made_from={
                "strong": strong,
                "weak": weak,
                "validation": validation,
                "model": stage.model,
                "augment": [stage.augment, weak_augment],
                "strong_images": strong_images,
            },
            has_first_labels=has_first_labels,
        )

    def accept(self, folder: UPath) -> None:
        """Raise ValueError unless the model in `folder` can replace one that is trained here."""
        check_model(folder, KIND, Records.read(self.validation).categories)

    def streams(self) -> dict[str, Stream]:
        return {name: images.stream() for name, images in self.images.items()}

    def learner(self) -> "LPLLearner":
        from ray_wssis.methods.lpl.learner import LPLLearner

        num_classes = len(Records.read(self.validation).categories)
        return LPLLearner(self.config, num_classes, has_first_labels=self.has_first_labels)

    def validate(self, learner: "LPLLearner") -> dict[str, float]:
        of = (learner.hybrid, self.config, self.validation, self.max_validation_images)
        return validate(*of) | validate(*of, tags=True)

    def save(self, learner: "LPLLearner", folder: UPath) -> None:
        number = sum(images.count() for images in self.images.values())
        save(self.name, learner.hybrid, self.config, number, self.validation, folder)
