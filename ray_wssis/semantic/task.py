"""The task of a network that learns from class maps: baseline, student or upper bound.

A driver makes tasks and sends them to workers: methods import torch where a worker calls them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from upath import UPath

from ray_wssis.artifacts import Part
from ray_wssis.data.records import Category, Records
from ray_wssis.models.model_folder import check_model, hash_start
from ray_wssis.semantic.augment_config import SemanticAugment
from ray_wssis.semantic.segmenter_config import KIND, SemanticConfig, SemanticStage, Views
from ray_wssis.storage import locate
from ray_wssis.training.streams import Stream

if TYPE_CHECKING:
    from ray_wssis.models.semantic_network import SemanticNetwork
    from ray_wssis.semantic.learner import SemanticLearner
    from ray_wssis.semantic.samples import SemanticSamples

VALIDATION_BATCH = 8  # images
NETWORK_NAMES = {"deeplab": "DeepLab v3+", "dpt": "DPT"}  # by decoder


@dataclass(frozen=True)
class ImageStream:
    """Images that a training takes some of in every step."""

    records: str
    augment: SemanticAugment
    quota: int  # images per step
    sparse: bool = False  # class maps are unknown nearly everywhere

    def stream(self) -> Stream:
        return Stream(self.samples, self.quota)

    def samples(self) -> "SemanticSamples":
        from ray_wssis.semantic.samples import SemanticSamples

        return SemanticSamples(Records.read(self.records), self.augment, sparse=self.sparse)

    def count(self) -> int:
        return len(Records.read(self.records))


@dataclass(frozen=True, kw_only=True)
class SemanticTask:
    """Everything that a training worker needs; small enough to be sent to it."""

    name: str  # in the model card
    config: SemanticConfig
    images: dict[str, ImageStream]  # with class maps
    validation: str  # records with class maps
    max_validation_images: int
    start: str | None = None  # a model folder to take the first weights from
    made_from: dict[str, Any] = field(default_factory=dict)  # all that decides what is learnt

    best_metric = "val/mIoU"

    @classmethod
    def of(
        cls,
        name: str,
        stage: SemanticStage,
        images: Mapping[str, Part],
        quotas: Mapping[str, int],
        validation: Part,
    ) -> "SemanticTask":
        """Compose the task of a stage that learns from `images`, records by stream."""
        streams = {
            stream: ImageStream(str(part.path), stage.augment, quotas[stream])
            for stream, part in images.items()
        }
        return cls(
            name=name,
            config=stage.model,
            images=streams,
            validation=str(validation.path),
            max_validation_images=stage.training.max_validation_images,
            start=stage.start,
            made_from={
                "images": dict(images),
                "quotas": dict(quotas),
                "validation": validation,
                "model": stage.model,
                "augment": stage.augment,
                **hash_start(stage.start),
            },
        )

    def accept(self, folder: UPath) -> None:
        """Raise ValueError unless the model in `folder` can replace one that is trained here."""
        check_model(folder, KIND, Records.read(self.validation).categories)

    def streams(self) -> dict[str, Stream]:
        return {name: images.stream() for name, images in self.images.items()}

    def learner(self) -> "SemanticLearner":
        from ray_wssis.models.start import load_start
        from ray_wssis.semantic.learner import SemanticLearner

        learner = SemanticLearner(self.config, len(Records.read(self.validation).categories))
        if self.start is not None:
            load_start(learner.network, locate(self.start))
        return learner

    def validate(self, learner: "SemanticLearner") -> dict[str, float]:
        """Measure the mean IoU, without tags, on the first validation images."""
        return validate(learner.network, self.config, self.validation, self.max_validation_images)

    def save(self, learner: "SemanticLearner", folder: UPath) -> None:
        number = sum(images.count() for images in self.images.values())
        save(self.name, learner.network, self.config, number, self.validation, folder)


def validate(
    network: "SemanticNetwork",
    config: SemanticConfig,
    validation: str,
    most: int,
    *,
    tags: bool = False,
) -> dict[str, float]:
    """Measure mIoU and its like on the first `most` validation images, `@tags` if those are given
    to the network."""
    from ray_wssis.data.class_maps.png import decode
    from ray_wssis.data.images.read import read_image
    from ray_wssis.metrics.miou import Counts
    from ray_wssis.semantic.segmenter import SemanticSegmenter, network_image

    truth = Records.read(validation)
    segmenter = SemanticSegmenter(network, config, truth.categories)
    counts = Counts.none(len(truth.categories))
    total = min(len(truth), most)
    for first in range(0, total, VALIDATION_BATCH):
        batch = list(truth.select(range(first, min(total, first + VALIDATION_BATCH))))
        sizes = [(record.height, record.width) for record in batch]
        images = [
            network_image(read_image(record.file, size), config)
            for record, size in zip(batch, sizes, strict=True)
        ]
        given = [record.tags if tags else None for record in batch]
        for record, drawn in zip(batch, segmenter.draw(images, sizes, given, Views()), strict=True):
            assert record.class_map is not None, record.file
            true = decode(record.class_map)
            counts += Counts.of(true, drawn.class_map, len(truth.categories))
    suffix = "@tags" if tags else ""
    return {f"val/{name}{suffix}": value for name, value in counts.figures().items()}


def save(
    name: str,
    network: "SemanticNetwork",
    config: SemanticConfig,
    num_images: int,
    validation: str,
    folder: UPath,
) -> None:
    """Save a network that learnt from `num_images` images, with a card for people."""
    from ray_wssis.semantic.segmenter import SemanticSegmenter

    categories = Records.read(validation).categories
    card = describe(name, config, num_images, categories)
    SemanticSegmenter(network, config, categories).save(folder, card)


def describe(
    name: str, config: SemanticConfig, num_images: int, categories: tuple[Category, ...]
) -> str:
    """Describe a saved model for people."""
    from ray_wssis.models.licence import licence_line

    names = ", ".join(category.name for category in categories)
    backbone = config.network.backbone
    return (
        f"# {name}: {NETWORK_NAMES[config.network.decoder]} with {backbone.name}\n\n"
        f"Trained by ray-wssis on {num_images} images.\n\n"
        f"- classes: {names}\n"
        f"- backbone weights before training: {licence_line(backbone.name, backbone.weights)}\n"
        f"- image size: shorter side {config.shorter}, longest {config.longest}\n"
    )
