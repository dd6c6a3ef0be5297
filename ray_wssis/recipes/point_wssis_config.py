"""Configuration of PointWSSIS (arXiv:2303.15062), with the checks that need no data."""

import math
from typing import Literal, Self

from pydantic import Field, model_validator

from ray_wssis.instance.label_config import (
    AuditConfig,
    LabelLimits,
    MergeConfig,
    ProposalsConfig,
)
from ray_wssis.instance.segmenter_config import TEACHER, SegmenterStage
from ray_wssis.instance.split_config import DataConfig
from ray_wssis.methods.point_wssis.refiner_config import RefinerStage
from ray_wssis.recipes.labeller_config import LabellerConfig
from ray_wssis.run_config import RunConfig, check_rounds, stages_of_rounds

ROUND = ("labels", "audit", "merged", "student")  # stages of every round
PROPOSALS = ("proposals", "proposals_audit")  # before `merged`, with images without any label


class PointWSSISConfig(RunConfig):
    recipe: Literal["point_wssis"] = "point_wssis"
    data: DataConfig
    teacher: SegmenterStage
    refiner: RefinerStage
    labeller: LabellerConfig = LabellerConfig()  # another one: no teacher, no refiner
    labelling: LabelLimits = LabelLimits()
    audit: AuditConfig = AuditConfig()
    proposals: ProposalsConfig = ProposalsConfig()  # of images without any label
    merge: MergeConfig = MergeConfig()
    student: SegmenterStage
    rounds: int = Field(default=1, ge=1, le=9)  # each with a student, which draws the next masks
    upper_bound: bool = False  # train a student on all true masks too, where they are known

    def stages(self) -> list[str]:
        practice = [] if self.refiner.ready is not None else ["rough_masks"]
        refiner = [*practice, "refiner"] if self.labeller.has_trained_refiner else []
        bound = ["upper_bound"] if self.upper_bound else []
        taught = ["teacher", *refiner] if self.labeller.is_trained else []
        own = PROPOSALS if self.data.has_unlabelled else ()
        of_round = [*ROUND[:2], *own, *ROUND[2:]]
        rounds = stages_of_rounds(self.rounds, of_round)
        return ["split", *taught, *rounds, *bound, "evaluation", "report"]

    def trainings(self) -> "dict[str, SegmenterStage | RefinerStage]":
        """Return the stages that train a network, or adopt one, by name."""
        if not self.labeller.is_trained:
            return {"student": self.student}
        if not self.labeller.has_trained_refiner:
            return {"teacher": self.teacher, "student": self.student}
        return {"teacher": self.teacher, "refiner": self.refiner, "student": self.student}

    @model_validator(mode="after")
    def check_rounds(self) -> Self:
        check_rounds(self.rounds, self.student.ready)
        if self.rounds > 1 and not self.labeller.is_trained:
            raise ValueError(
                f"rounds is {self.rounds} and the labeller is {self.labeller.name}: only those of "
                "point_wssis draw again; set rounds to 1"
            )
        return self

    @model_validator(mode="after")
    def check_proposals(self) -> Self:
        if self.data.has_unlabelled and not self.labeller.has_trained_refiner:
            named = self.labeller.refiner or self.labeller.name
            raise ValueError(
                f"data has images without labels and masks are drawn by {named}, which draws them "
                "for points alone; leave out data.unlabelled and unlabelled_percent"
            )
        return self

    @model_validator(mode="after")
    def check_early(self) -> Self:
        if self.refiner.ready is not None or not self.labeller.has_trained_refiner:
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
    def check_starts(self) -> Self:
        if self.teacher.start == TEACHER:
            raise ValueError("teacher.start is teacher: a teacher cannot start from itself")
        return self

    @model_validator(mode="after")
    def check_networks(self) -> Self:
        if self.teacher.model.queries is not None:
            key = self.teacher.model.first_weights[0]
            raise ValueError(
                f"teacher.model.{key} is given: only SOLOv2 can be asked for the mask at a point; "
                f"give student.model.{key}"
            )
        if self.student.model.queries is None:
            return self
        key = f"student.model.{self.student.model.first_weights[0]}"
        if self.rounds > 1:
            raise ValueError(
                f"rounds is {self.rounds} and {key} is given: it cannot be asked for the mask at "
                "a point, so it draws none of another round; set rounds to 1"
            )
        if self.student.start == TEACHER:
            raise ValueError(
                f"student.start is teacher and {key} is given: the teacher is another network; "
                "set student.start to null"
            )
        return self

    @model_validator(mode="after")
    def check_crops(self) -> Self:
        if not self.labeller.has_trained_refiner:
            return self
        crops, workers = self.refiner.training.batch_size, self.training_workers.most
        if crops < 2 * workers:
            raise ValueError(
                f"refiner.training.batch_size is {crops}: batch norm needs two crops for each of "
                f"the {workers} training workers"
            )
        return self

    @model_validator(mode="after")
    def check_shares(self) -> Self:
        numbers = self.training_workers.possible()
        for name, stage in self.trainings().items():
            batch = stage.training.batch_size
            unfit = [str(number) for number in numbers if batch % number]
            if stage.ready is None and unfit:
                raise ValueError(
                    f"{name}.training.batch_size is {batch} for all workers together and cannot "
                    f"be shared by {' or '.join(unfit)}; make it a multiple of "
                    f"{math.lcm(*numbers)}"
                )
        return self
