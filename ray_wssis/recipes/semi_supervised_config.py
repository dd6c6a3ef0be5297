"""Configuration of semi-supervised recipes, with the checks that need no data."""

from typing import Literal

from pydantic import model_validator

from ray_wssis.methods.semi_supervised.config import SemiSupervisedStage
from ray_wssis.run_config import RunConfig
from ray_wssis.semantic.segmenter_config import Views
from ray_wssis.semantic.split_config import SemanticDataConfig


class SemiSupervisedConfig(RunConfig):
    recipe: Literal["semi_supervised"] = "semi_supervised"
    data: SemanticDataConfig
    student: SemiSupervisedStage
    evaluation: Views = Views()  # measured beside the plain view
    baseline: bool = False  # train on the strong images alone too
    upper_bound: bool = False  # train on all true class maps too, where they are known

    @model_validator(mode="after")
    def check_data(self) -> "SemiSupervisedConfig":
        self.data.need_class_maps()
        return self

    def stages(self) -> list[str]:
        models = {"baseline": self.baseline, "upper_bound": self.upper_bound}
        extra = [name for name, wanted in models.items() if wanted]
        return ["split", "student", *extra, "evaluation", "report"]
