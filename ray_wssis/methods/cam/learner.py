"""A classifier as it learns the tags of images."""

from collections.abc import Iterable, Mapping

from torch import Tensor, nn

from ray_wssis.methods.cam.config import ClassifierStage
from ray_wssis.methods.cam.network import CamNetwork
from ray_wssis.semantic.samples import Batch

TAGGED = "tagged"  # stream


class ClassifierLearner(nn.Module):
    """Maps a batch of images with tags to losses."""

    def __init__(self, stage: ClassifierStage, num_classes: int, background: int | None) -> None:
        super().__init__()
        self.network = CamNetwork(stage.model, num_classes, background)
        self.num_steps = 0

    def get_extra_state(self) -> int:
        """Keep the number of steps in checkpoints."""
        return self.num_steps

    def set_extra_state(self, state: int) -> None:
        self.num_steps = state

    def forward(self, batches: Mapping[str, Batch]) -> dict[str, Tensor]:
        self.num_steps += self.training
        return self.network.losses(batches[TAGGED], self.num_steps)

    def parameter_groups(self) -> dict[str, Iterable[nn.Parameter]]:
        classifier = self.network.classifier
        return {"backbone": classifier.backbone.parameters(), "head": classifier.head.parameters()}
