"""A classifier that learns tags and nothing else (arXiv:1512.04150)."""

from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from ray_wssis.methods.cam.tag_loss import Classes, tag_loss
from ray_wssis.models.classifier import Classifier
from ray_wssis.semantic.samples import Batch


class Plain(nn.Module):
    def __init__(self, classes: Classes) -> None:
        super().__init__()
        self.classes = classes

    def losses(self, classifier: Classifier, batch: Batch, num_steps: int) -> dict[str, Tensor]:
        maps = classifier(batch.images, batch.sizes).maps
        return {"tags": tag_loss(maps, batch, self.classes)}

    def maps(
        self, classifier: Classifier, images: UInt8[Tensor, "B 3 H W"], sizes: Int[Tensor, "B 2"]
    ) -> Float[Tensor, "B K h w"]:
        maps: Tensor = classifier(images, sizes).maps
        return maps
