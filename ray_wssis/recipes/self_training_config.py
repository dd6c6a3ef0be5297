"""Configuration of rounds of self-training, with the checks that need no data."""

from typing import Literal

from pydantic import Field, model_validator

from ray_wssis.methods.self_training.config import Policy, RoundStage, of_round
from ray_wssis.run_config import RunConfig, round_prefix
from ray_wssis.semantic.label_config import AuditConfig, LabelConfig
from ray_wssis.semantic.segmenter_config import SemanticStage, Views
from ray_wssis.semantic.split_config import SemanticDataConfig

NETWORKS = {1: ("",), 2: ("first_", "second_")}  # what names of stages begin with


class SelfTrainingConfig(RunConfig):
    recipe: Literal["self_training"] = "self_training"
    data: SemanticDataConfig
    networks: Literal[1, 2] = 1  # 2: each learns the labels of the other one (DMT)
    teacher: SemanticStage  # learns from the strong images alone
    rounds: int = Field(default=2, ge=1)
    labelling: LabelConfig = LabelConfig()
    audit: AuditConfig = AuditConfig()
    policy: Policy  # which pixels a student learns
    student: RoundStage
    evaluation: Views = Views()  # measured beside the plain view
    upper_bound: bool = False  # train on all true class maps too, where they are known

    @model_validator(mode="after")
    def check_data(self) -> "SelfTrainingConfig":
        self.data.need_class_maps()
        return self

    @model_validator(mode="after")
    def check_networks(self) -> "SelfTrainingConfig":
        if self.networks == 2 and self.teacher.ready is not None:
            raise ValueError("teacher.ready: with networks: 2 both would be the same network")
        if not self.student.reinit and self.teacher.model != self.student.model:
            raise ValueError(
                "student.model: with reinit: false a student begins with the weights of the "
                "network before it, so teacher.model and student.model must be the same"
            )
        return self

    @property
    def prefixes(self) -> tuple[str, ...]:
        return NETWORKS[self.networks]

    def student_of(self, number: int, before: str) -> RoundStage:
        """Return the stage of a student of round `number`, which follows the model `before`."""
        stage = self.student
        if not stage.reinit:
            stage = stage.model_copy(update={"start": before})
        if stage.largest_scales:
            scale = (stage.augment.scale[0], of_round(stage.largest_scales, number))
            augment = stage.augment.model_copy(update={"scale": scale})
            stage = stage.model_copy(update={"augment": augment})
        return stage

    def repeats(self, number: int) -> bool:
        """Tell whether the round after round `number` has the same settings."""
        values = [self.student.largest_scales, getattr(self.policy, "shares", ())]
        return all(number >= len(of_rounds) for of_rounds in values)

    def stages(self) -> list[str]:
        names = ["split", *(["halves"] if self.networks == 2 else [])]
        names += [f"{prefix}teacher" for prefix in self.prefixes]
        for number in range(1, self.rounds + 1):
            for prefix in self.prefixes:
                steps = ("labels", "audit", "merged", "student", "verdict")
                names += [f"{round_prefix(number)}{prefix}{step}" for step in steps]
        names += ["student", *(["upper_bound"] if self.upper_bound else [])]
        return [*names, "evaluation", "report"]
