"""The smallest classifier that is built like a real one."""

from ray_wssis.methods.cam.config import ClassifierModel, ClassifierStage, Regulariser
from ray_wssis.models.backbone_config import BackboneConfig
from ray_wssis.models.classifier_config import ClassifierConfig
from ray_wssis.training.config import TrainingConfig

STAGE = ClassifierStage(
    model=ClassifierModel(
        network=ClassifierConfig(
            backbone=BackboneConfig(name="resnet18", weights="none", frozen_stages=0, norm="batch"),
            stride=8,
        ),
        shorter=32,
        longest=64,
    ),
    training=TrainingConfig(steps=2),
)
NETWORK = (  # the same network, for `--set`
    "{backbone: {name: resnet18, weights: none, frozen_stages: 0, norm: batch}, stride: 8}"
)


def with_regulariser(regulariser: Regulariser | None) -> ClassifierStage:
    """Return the stage with a regulariser, and without the statistics of a batch."""
    backbone = BackboneConfig(name="resnet18", weights="none", frozen_stages=0, norm="frozen")
    network = ClassifierConfig(backbone=backbone, stride=8)
    changes = {"network": network, "regulariser": regulariser}
    return STAGE.model_copy(update={"model": STAGE.model.model_copy(update=changes)})
