"""Configuration of segmenters from tags alone, with the checks that need no data."""

from typing import Literal

from pydantic import Field, model_validator

from ray_wssis.methods.cam.config import AffinityStage, CamLabels, ClassifierStage, Walk
from ray_wssis.run_config import RunConfig, check_rounds, stages_of_rounds
from ray_wssis.semantic.label_config import AuditConfig, MergeConfig
from ray_wssis.semantic.segmenter_config import SemanticStage, Views
from ray_wssis.semantic.split_config import SemanticDataConfig


class StudentStage(SemanticStage):
    strong_images: int | None = Field(default=None, ge=1)  # of each step, if masks may teach


class CamConfig(RunConfig):
    recipe: Literal["cam"] = "cam"
    data: SemanticDataConfig  # `audit: 1`: class maps, if there are any, only measure
    classifier: ClassifierStage
    labelling: CamLabels = CamLabels()
    affinity: AffinityStage | None = None  # trained for labelling.refine: {name: walk}
    audit: AuditConfig = AuditConfig()
    merge: MergeConfig = MergeConfig()
    student: StudentStage
    rounds: int = Field(default=1, ge=1, le=9)  # beyond 1: a better student labels for another one
    student_views: Views = Views()  # of the images that it labels
    evaluation: Views = Views()  # measured beside the plain view
    baseline: bool = False  # train on the strong images alone, audit ones included, too
    upper_bound: bool = False  # train on all true class maps too, where they are known

    @model_validator(mode="after")
    def check_data(self) -> "CamConfig":
        if self.data.is_sparse:
            raise ValueError("data: sparse labels are for the recipe agmm; cam learns from tags")
        if self.data.tags_alone != (self.student.strong_images is None):
            raise ValueError(
                "student.strong_images: it is for images with class maps that teach; give it "
                f"unless data.audit is 1 (it is {self.data.audit})"
            )
        return self

    @model_validator(mode="after")
    def check_walk(self) -> "CamConfig":
        if isinstance(self.labelling.refine, Walk) != (self.affinity is not None):
            raise ValueError(
                "labelling.refine: {name: walk} and affinity, the network that leads the walk, go "
                "together: give both or none"
            )
        return self

    @model_validator(mode="after")
    def check_rounds(self) -> "CamConfig":
        check_rounds(self.rounds, self.student.ready)
        return self

    def stages(self) -> list[str]:
        models = {"baseline": self.baseline, "upper_bound": self.upper_bound}
        extra = [name for name, wanted in models.items() if wanted]
        first = ["split", "classifier"]
        first += [] if self.affinity is None else ["sure_labels", "sure_merged", "affinity"]
        rounds = stages_of_rounds(self.rounds, ("labels", "audit", "merged", "student"))
        return [*first, *rounds, "curve", *extra, "evaluation", "report"]
