"""The classifier with what regularises it: the losses that it learns from, and its maps at work."""

from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from ray_wssis.methods.cam.config import DRS, ICD, SEAM, ClassifierModel, Fickle, Group, Puzzle
from ray_wssis.methods.cam.regularisers.drs import cap_activations
from ray_wssis.methods.cam.regularisers.fickle import FickleNet
from ray_wssis.methods.cam.regularisers.group import GroupMining
from ray_wssis.methods.cam.regularisers.icd import IntraClassDiscriminator
from ray_wssis.methods.cam.regularisers.plain import Plain
from ray_wssis.methods.cam.regularisers.puzzle import PuzzleCAM
from ray_wssis.methods.cam.regularisers.seam import EquivariantCAM
from ray_wssis.methods.cam.tag_loss import Classes
from ray_wssis.models.classifier import Classifier
from ray_wssis.semantic.samples import Batch

Method = Plain | PuzzleCAM | EquivariantCAM | FickleNet | IntraClassDiscriminator | GroupMining


class CamNetwork(nn.Module):
    """Maps canvases to a map for each class; all but the highest values may be below 0."""

    def __init__(self, model: ClassifierModel, num_classes: int, background: int | None) -> None:
        super().__init__()
        self.classifier = Classifier(model.network, num_classes)
        classes = [label for label in range(num_classes) if label != background]
        self.method = create_method(model, self.classifier, classes, num_classes)

    def forward(
        self, images: UInt8[Tensor, "B 3 H W"], sizes: Int[Tensor, "B 2"]
    ) -> Float[Tensor, "B K h w"]:
        return self.method.maps(self.classifier, images, sizes)

    def losses(self, batch: Batch, num_steps: int) -> dict[str, Tensor]:
        """Return what a batch has to teach in a step, counted from 1."""
        return self.method.losses(self.classifier, batch, num_steps)


def create_method(
    model: ClassifierModel, classifier: Classifier, classes: Classes, num_classes: int
) -> Method:
    """Raises ValueError for a backbone that does not go with the regulariser."""
    channels = classifier.head.in_channels
    match model.regulariser:
        case Puzzle() as config:
            return PuzzleCAM(config, classes)
        case SEAM() as config:
            return EquivariantCAM(config, classes, channels)
        case Fickle() as config:
            return FickleNet(config, classes, channels, num_classes)
        case ICD() as config:
            return IntraClassDiscriminator(config, classes, channels, num_classes)
        case Group() as config:
            return GroupMining(config, classes, channels, num_classes)
        case DRS() as config:
            cap_activations(classifier.backbone, config.share)
    return Plain(classes)
