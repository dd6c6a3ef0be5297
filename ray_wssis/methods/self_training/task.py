"""The task of a student whose labels weigh what it believes of them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from upath import UPath

from ray_wssis.data.records import Records
from ray_wssis.semantic.task import SemanticTask
from ray_wssis.storage import locate
from ray_wssis.training.streams import Stream

if TYPE_CHECKING:
    from ray_wssis.methods.self_training.dynamic import DynamicLearner


@dataclass(frozen=True, kw_only=True)
class DynamicTask:
    """A semantic task with another loss."""

    plain: SemanticTask
    gamma: float

    best_metric = "val/mIoU"

    @property
    def name(self) -> str:
        return self.plain.name

    @property
    def made_from(self) -> dict[str, Any]:
        return self.plain.made_from | {"gamma": self.gamma}

    def accept(self, folder: UPath) -> None:
        """Raise ValueError unless the model in `folder` can replace one that is trained here."""
        self.plain.accept(folder)

    def streams(self) -> dict[str, Stream]:
        return self.plain.streams()

    def learner(self) -> "DynamicLearner":
        from ray_wssis.methods.self_training.dynamic import DynamicLearner
        from ray_wssis.models.start import load_start

        num_classes = len(Records.read(self.plain.validation).categories)
        learner = DynamicLearner(self.plain.config, self.gamma, num_classes)
        if self.plain.start is not None:
            load_start(learner.plain.network, locate(self.plain.start))
        return learner

    def validate(self, learner: "DynamicLearner") -> dict[str, float]:
        return self.plain.validate(learner.plain)

    def save(self, learner: "DynamicLearner", folder: UPath) -> None:
        self.plain.save(learner.plain, folder)
