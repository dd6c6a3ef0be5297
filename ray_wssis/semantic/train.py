"""The stage that trains a network on class maps: a student, a baseline or an upper bound."""

from collections.abc import Mapping

from ray_wssis.artifacts import Artifact, Part
from ray_wssis.models.licence import say_licences
from ray_wssis.run import Run
from ray_wssis.semantic.segmenter_config import SemanticStage
from ray_wssis.semantic.split import ALL, VALIDATION
from ray_wssis.semantic.task import SemanticTask


def train(
    run: Run,
    name: str,
    says: str,
    stage: SemanticStage,
    images: Mapping[str, Part],
    validation: Part,
    strong_images: int | None = None,
) -> Artifact:
    """Train on `images`, records by stream: `strong`, and perhaps `pseudo`.

    `strong_images` of each step are strong, the others have pseudo labels; None: all are strong.
    Only a student may be ready.
    """
    batch = stage.training.batch_size
    quotas = {"strong": batch}
    if strong_images is not None:
        quotas = {"strong": strong_images, "pseudo": batch - strong_images}
    if name != "student":
        stage = stage.model_copy(update={"ready": None})
    if stage.ready is None:
        backbone = stage.model.network.backbone
        say_licences({run.prefix + name: (backbone.name, backbone.weights)})
    task = SemanticTask.of(name, stage, images, quotas, validation)
    return run.train(name, says, task, stage)


def train_upper_bound(run: Run, stage: SemanticStage, data: Artifact) -> Artifact:
    """Train the network of `stage` on all true class maps: what a student could reach."""
    says, truth = "Train on all true class maps", {"strong": data.part(ALL)}
    return train(run, "upper_bound", says, stage, truth, data.part(VALIDATION))
