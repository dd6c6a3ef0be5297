"""PointWSSIS from end to end: a few masks and many points in, an instance segmenter out.

PointWSSIS: "The Devil is in the Points: Weakly Semi-Supervised Instance Segmentation via
Point-Guided Mask Representation" (arXiv:2303.15062).  Each property is one stage and asks for
those it needs; a stage that is finished in the run folder is not made again.
"""

import math
from collections.abc import Collection
from functools import cached_property
from typing import Any

from pydantic import Field, model_validator
from upath import UPath

from ray_wssis.artifacts import Artifact, Workspace, hash_of_values, open_stage, short_hash
from ray_wssis.config import Config, to_yaml
from ray_wssis.data.augment_config import AugmentConfig
from ray_wssis.data.records import Records, named
from ray_wssis.data.split_files import split_name
from ray_wssis.instance.audit import audit
from ray_wssis.instance.evaluate import METRICS, evaluate
from ray_wssis.instance.label import ROWS, THROUGHPUT, check_coverage, label
from ray_wssis.instance.label_config import LabelLimits
from ray_wssis.instance.merge import MERGED, merge
from ray_wssis.instance.quality import QualityConfig
from ray_wssis.instance.report import write_report
from ray_wssis.instance.segmenter import KIND as SEGMENTER
from ray_wssis.instance.segmenter_config import SegmenterConfig
from ray_wssis.instance.split import ALL, AUDIT, TAUGHT, VALIDATION, WEAK, split
from ray_wssis.instance.split_config import DataConfig
from ray_wssis.instance.task import SegmenterTask
from ray_wssis.methods.point_wssis.refiner import KIND as REFINER
from ray_wssis.methods.point_wssis.refiner_augment_config import RefinerAugmentConfig
from ray_wssis.methods.point_wssis.refiner_task import RefinerTask
from ray_wssis.methods.point_wssis.rough_masks import SCHEMA as DRILL
from ray_wssis.methods.point_wssis.rough_masks import DrawRoughMasks
from ray_wssis.models.mask_refine_net_config import MaskRefineNetConfig
from ray_wssis.models.model_folder import FILES, categories_of, copy_model, read_description
from ray_wssis.models.solov2 import PADDING_MULTIPLE
from ray_wssis.report.mlflow_log import log_to_mlflow
from ray_wssis.storage import Place, hash_file, locate, write_atomically
from ray_wssis.streaming.config import LabellingWorkers
from ray_wssis.streaming.shards import finish_with_rows
from ray_wssis.streaming.stream import Pass, stream
from ray_wssis.training.config import ScaledTraining, TrainingConfig, TrainingWorkers
from ray_wssis.training.loop import Task
from ray_wssis.training.run import LOGS, train

RESOLVED = "config.resolved.yaml"
ROUGH_MASKS = "masks"


class SegmenterStage(Config):
    model: SegmenterConfig
    augment: AugmentConfig = AugmentConfig()
    training: ScaledTraining
    ready: str | None = None  # a model folder to use as it is: nothing is trained


class RefinerStage(Config):
    model: MaskRefineNetConfig
    augment: RefinerAugmentConfig = RefinerAugmentConfig()
    training: ScaledTraining
    ready: str | None = None  # a model folder to use as it is: nothing is trained


class PointWSSISConfig(Config):
    seed: int = Field(default=0, ge=0)  # of the data, the split and the training
    data: DataConfig
    teacher: SegmenterStage
    refiner: RefinerStage
    student: SegmenterStage
    upper_bound: bool = False  # train a student on all true masks too, where they are known
    quality: QualityConfig = QualityConfig()
    labelling: LabelLimits = LabelLimits()
    training_workers: TrainingWorkers = TrainingWorkers()
    labelling_workers: LabellingWorkers = LabellingWorkers()

    @model_validator(mode="after")
    def check_early(self) -> "PointWSSISConfig":
        if self.refiner.ready is not None:
            return self
        if self.teacher.ready is not None:
            raise ValueError(
                "teacher.ready is given and refiner.ready is not: a refiner learns from the masks "
                "of early teachers, and a ready one has none; give both"
            )
        if not self.teacher.training.early:
            raise ValueError(
                "teacher.training.early is empty: the refiner learns from the masks of early "
                "teachers; name one or two steps, for instance half and three quarters of all"
            )
        return self

    @model_validator(mode="after")
    def check_crops(self) -> "PointWSSISConfig":
        crops, workers = self.refiner.training.batch_size, self.training_workers.most
        if crops < 2 * workers:
            raise ValueError(
                f"refiner.training.batch_size is {crops}: batch norm needs two crops for each of "
                f"the {workers} training workers"
            )
        return self

    @model_validator(mode="after")
    def check_shares(self) -> "PointWSSISConfig":
        numbers = self.training_workers.possible()
        stages: dict[str, SegmenterStage | RefinerStage]
        stages = {"teacher": self.teacher, "refiner": self.refiner, "student": self.student}
        for name, stage in stages.items():
            batch = stage.training.batch_size
            unfit = [str(number) for number in numbers if batch % number]
            if stage.ready is None and unfit:
                raise ValueError(
                    f"{name}.training.batch_size is {batch} for all workers together and cannot "
                    f"be shared by {' or '.join(unfit)}; make it a multiple of "
                    f"{math.lcm(*numbers)}"
                )
        return self


class PointWSSIS:
    """The run in folder `out`."""

    def __init__(
        self,
        config: PointWSSISConfig,
        out: Place,
        *,
        redo: bool = False,
        retry_failed: bool = False,
    ) -> None:
        self.config = config
        self.out = locate(out)
        self.redo = redo
        self.retry_failed = retry_failed

    @cached_property
    def data(self) -> Artifact:
        """Strong pictures with masks, weak ones with points, validation pictures."""
        made = split(self.config.data, self.config.seed, self.out / "split", redo=self.redo)
        if not (self.out / RESOLVED).exists():
            self.write_config()
        return made

    @cached_property
    def teacher(self) -> Artifact:
        """1. The teacher learns from the strong pictures, but for those of the audit."""
        stage = self.config.teacher
        if stage.ready is not None:
            return self.adopt("teacher", stage.ready, SEGMENTER)
        return self.train_segmenter("teacher", stage, self.data, TAUGHT)

    @cached_property
    def rough(self) -> Artifact:
        """2. As it was half-way through, it draws rough masks whose truth is known."""
        early = range(1, len(self.config.teacher.training.early) + 1)
        teachers = {
            UPath(TAUGHT).stem: [str(self.teacher / f"early_{i}") for i in early],
            UPath(VALIDATION).stem: [str(self.teacher / "model")],
        }
        pictures = {part: self.data.hash_of(part) for part in (TAUGHT, VALIDATION)}
        stage = self.open("rough", {"pictures": pictures, "teacher": self.teacher})
        if isinstance(stage, Artifact):
            return stage
        stream(
            Pass(
                name="rough",
                records=[self.data / TAUGHT, self.data / VALIDATION],
                worker=DrawRoughMasks,
                arguments={"teachers": teachers},
                schema=DRILL,
                made_from=self.teacher.digest,
                network_size=self.config.teacher.model.sides,
                canvas_multiple=PADDING_MULTIPLE,
                needs_original=False,
                out=stage / ROUGH_MASKS,
            ),
            self.config.labelling_workers,
        )
        return finish_with_rows(stage, ROUGH_MASKS)

    @cached_property
    def refiner(self) -> Artifact:
        """3. The refiner learns to mend rough masks."""
        stage = self.config.refiner
        if stage.ready is not None:
            return self.adopt("refiner", stage.ready, REFINER)
        task = RefinerTask(
            config=stage.model,
            augment=stage.augment,
            pictures=str(self.data / TAUGHT),
            validation=str(self.data / VALIDATION),
            rough=str(self.rough / ROUGH_MASKS),
            max_validation_pictures=stage.training.max_validation_pictures,
        )
        made_from = {"rough": self.rough, "model": stage.model, "augment": stage.augment}
        return self.train("refiner", task, stage.training, made_from)

    @cached_property
    def labels(self) -> Artifact:
        """4. Every point of the weak pictures becomes a rough mask, and the refiner mends it."""
        models = {"teacher": self.teacher, "refiner": self.refiner}
        drawn_by = {name: model.hash_of("model") for name, model in models.items()}
        pictures = {part: self.data.hash_of(part) for part in (WEAK, AUDIT)}
        stage = self.open(
            "labels",
            {"pictures": pictures} | drawn_by,
            reopen=self.retry_failed,
            keep=[ROWS],
        )
        if isinstance(stage, Artifact):
            check_coverage(stage, self.config.labelling)
            return stage
        label(
            stage,
            self.data,
            {name: model / "model" for name, model in models.items()},
            self.config.labelling_workers,
            self.config.labelling,
            made_from=" ".join(drawn_by.values()),
            retry_failed=self.retry_failed,
        )
        return finish_with_rows(stage, ROWS, logs=[THROUGHPUT])

    @cached_property
    def audit(self) -> Artifact:
        """5. Masks of pictures whose truth is known tell how good the others are."""
        return audit(
            self.data,
            self.labels,
            self.config.quality,
            self.out / "audit",
            redo=self.redo or self.retry_failed,
        )

    @cached_property
    def merged(self) -> Artifact:
        """6. True and mended masks become one training set."""
        data = self.config.data
        made_by = {"teacher": self.config.teacher, "refiner": self.config.refiner}
        lineage = {
            "teacher": short_hash(self.teacher.hash_of("model")),
            "refiner": short_hash(self.refiner.hash_of("model")),
            "config": short_hash(hash_of_values(made_by | {"quality": self.config.quality})),
        }
        return merge(
            self.data,
            self.labels,
            self.audit,
            self.config.quality,
            data.corrections,
            lineage,
            split_name(data.name, data.percent),
            self.out / "merged",
            redo=self.redo or self.retry_failed,
        )

    @cached_property
    def student(self) -> Artifact:
        """7. The student learns from both together."""
        stage = self.config.student
        if stage.ready is not None:
            return self.adopt("student", stage.ready, SEGMENTER)
        return self.train_segmenter("student", stage, self.merged, MERGED)

    @cached_property
    def upper_bound(self) -> Artifact:
        """What the student could reach if all masks were known."""
        if not (self.data / ALL).exists():
            raise ValueError("upper_bound: the masks of the weak pictures are not known")
        return self.train_segmenter("upper_bound", self.config.student, self.data, ALL)

    @cached_property
    def evaluation(self) -> Artifact:
        """8. All figures, also in `metrics.json` of the run."""
        models = {"teacher": self.teacher, "student": self.student}
        if self.config.upper_bound:
            models["upper_bound"] = self.upper_bound
        made = evaluate(
            self.data,
            models,
            self.labels,
            self.audit,
            self.config.labelling_workers,
            self.out / "evaluation",
            redo=self.redo,
        )
        write_atomically(self.out / METRICS, (made / METRICS).read_bytes())
        return made

    @cached_property
    def report(self) -> Artifact:
        """9. The page that shows it all."""
        stage = self.open("report", {"evaluation": self.evaluation, "audit": self.audit})
        if isinstance(stage, Workspace):
            write_report(self.out, stage.folder)
            stage = stage.finish()
        log_to_mlflow(self.out)
        return stage

    def train_segmenter(
        self, name: str, stage: SegmenterStage, source: Artifact, pictures: str
    ) -> Artifact:
        task = SegmenterTask(
            name=name,
            config=stage.model,
            augment=stage.augment,
            pictures=str(source / pictures),
            validation=str(self.data / VALIDATION),
            max_validation_pictures=stage.training.max_validation_pictures,
        )
        made_from = {
            "pictures": source.hash_of(pictures),
            "validation": self.data.hash_of(VALIDATION),
            "model": stage.model,
            "augment": stage.augment,
        }
        return self.train(name, task, stage.training, made_from)

    def adopt(self, name: str, ready: str, kind: str) -> Artifact:
        """A model that was trained elsewhere takes the place of one trained here."""
        folder = locate(ready)
        known = categories_of(read_description(folder, kind))
        wanted = Records.read(self.data / VALIDATION).categories
        if known != wanted:
            raise ValueError(
                f"{name}.ready: {ready} was trained for {named(known)}, the data has "
                f"{named(wanted)}; numbers, names and order must be the same"
            )
        stage = self.open(name, {"model": {file: hash_file(folder / file) for file in FILES}})
        if isinstance(stage, Artifact):
            return stage
        copy_model(folder, stage / "model")
        return stage.finish()

    def train(
        self, name: str, task: Task, training: TrainingConfig, made_from: dict[str, Any]
    ) -> Artifact:
        stage = self.open(name, made_from | {"training": training})
        if isinstance(stage, Artifact):
            return stage
        train(task, training, self.config.seed, self.config.training_workers, stage.folder)
        made = stage.finish(logs=LOGS)
        log_to_mlflow(self.out)
        return made

    def open(
        self,
        name: str,
        made_from: dict[str, Any],
        *,
        reopen: bool = False,
        keep: Collection[str] = (),
    ) -> Artifact | Workspace:
        stage = open_stage(
            self.out / name,
            made_from,
            redo=self.redo,
            reopen=reopen,
            keep=keep,
            seed=self.config.seed,
        )
        if isinstance(stage, Workspace):  # something is made with this configuration
            self.write_config()
        return stage

    def write_config(self) -> None:
        write_atomically(self.out / RESOLVED, to_yaml(self.config).encode())
