"""Configuration of AGMM-SASS (CVPR 2023), with the checks that need no data."""

from typing import Literal

from pydantic import Field, model_validator

from ray_wssis.methods.agmm.config import SparseStage
from ray_wssis.run_config import RunConfig, check_rounds, stages_of_rounds
from ray_wssis.semantic.label_config import AuditConfig, LabelConfig, MergeConfig
from ray_wssis.semantic.segmenter_config import SemanticStage, Views
from ray_wssis.semantic.split_config import SemanticDataConfig


class AGMMConfig(RunConfig):
    recipe: Literal["agmm"] = "agmm"
    data: SemanticDataConfig
    agmm: SparseStage
    labelling: LabelConfig | None = None  # null: the network is all that is wanted
    audit: AuditConfig = AuditConfig()
    merge: MergeConfig = MergeConfig()
    student: SemanticStage | None = None  # learns from the labels; null: none
    rounds: int = Field(default=1, ge=1, le=9)  # beyond 1: a better student labels for another one
    evaluation: Views = Views()  # measured beside the plain view
    baseline: bool = False  # train with partial cross entropy alone too
    upper_bound: bool = False  # train on the full class maps too, where they are known

    @model_validator(mode="after")
    def check_data(self) -> "AGMMConfig":
        if not self.data.is_sparse:
            raise ValueError(
                "data: agmm learns from points or scribbles, so give sparse_labels, or sparse to "
                "draw some from class maps"
            )
        return self

    @model_validator(mode="after")
    def check_student(self) -> "AGMMConfig":
        if self.student is not None and self.labelling is None:
            raise ValueError("student: it learns from labels, so give labelling too, perhaps {}")
        return self

    @model_validator(mode="after")
    def check_rounds(self) -> "AGMMConfig":
        if self.rounds > 1 and self.student is None:
            raise ValueError(
                f"rounds is {self.rounds} and there is no student: the student of a round labels "
                "for the next one; give student, or leave out rounds"
            )
        check_rounds(self.rounds, None if self.student is None else self.student.ready)
        return self

    def stages(self) -> list[str]:
        of_round = [] if self.labelling is None else ["labels", "audit", "merged"]
        of_round += [] if self.student is None else ["student"]
        models = {"baseline": self.baseline, "upper_bound": self.upper_bound}
        extra = [name for name, wanted in models.items() if wanted]
        rounds = stages_of_rounds(self.rounds, of_round)
        return ["split", "agmm", *rounds, *extra, "evaluation", "report"]
