"""Configuration of LPL (Pattern Recognition 2022), with the checks that need no data."""

from typing import Literal, Self

from pydantic import Field, model_validator

from ray_wssis.run_config import RunConfig, check_rounds, stages_of_rounds
from ray_wssis.semantic.augment_config import SemanticAugment
from ray_wssis.semantic.label_config import AuditConfig, LabelConfig, MergeConfig
from ray_wssis.semantic.segmenter_config import SemanticStage, Views
from ray_wssis.semantic.split_config import SemanticDataConfig


class HybridStage(SemanticStage):
    """The two networks that learn together; `augment` is for the strong images."""

    weak_augment: SemanticAugment = SemanticAugment()
    strong_images: int = Field(default=5, ge=1)  # of each step; the others are weak

    @model_validator(mode="after")
    def check_start(self) -> Self:
        if self.start is not None:
            raise ValueError("start: both networks begin with the backbone alone, so leave it out")
        return self


class StudentStage(SemanticStage):
    strong_images: int = Field(default=4, ge=1)  # of each step; the others have pseudo labels


class LPLConfig(RunConfig):
    recipe: Literal["lpl"] = "lpl"
    data: SemanticDataConfig
    first_labels: str | None = None  # folder of a run whose labels teach until others are trusted
    hybrid: HybridStage
    labelling: LabelConfig = LabelConfig()
    audit: AuditConfig = AuditConfig()
    merge: MergeConfig = MergeConfig()
    student: StudentStage
    rounds: int = Field(default=1, ge=1, le=9)  # beyond 1: a better student labels for another one
    evaluation: Views = Views()  # measured beside the plain view
    baseline: bool = False  # train on the strong images alone too
    upper_bound: bool = False  # train on all true class maps too, where they are known

    @model_validator(mode="after")
    def check_data(self) -> "LPLConfig":
        self.data.need_class_maps()
        return self

    @model_validator(mode="after")
    def check_rounds(self) -> "LPLConfig":
        check_rounds(self.rounds, self.student.ready)
        return self

    def stages(self) -> list[str]:
        extra = [*(["baseline"] if self.baseline else [])]
        extra += ["upper_bound"] if self.upper_bound else []
        begun = [] if self.first_labels is None else ["first_labels"]
        rounds = stages_of_rounds(self.rounds, ("labels", "audit", "merged", "student"))
        return ["split", *begun, "hybrid", *rounds, *extra, "evaluation", "report"]
