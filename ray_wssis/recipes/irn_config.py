"""Configuration of IRNet (arXiv:1904.05044), with the checks that need no data."""

from typing import Literal, Self

from pydantic import model_validator

from ray_wssis.config import Config
from ray_wssis.instance.segmenter_config import SegmenterStage
from ray_wssis.methods.cam.config import CamLabels, ClassifierStage, Refinement, Walk
from ray_wssis.methods.irn.config import IRNetLabels, IRNetStage
from ray_wssis.run_config import RunConfig
from ray_wssis.semantic.label_config import AuditConfig, MergeConfig
from ray_wssis.semantic.segmenter_config import Views
from ray_wssis.semantic.split_config import SemanticDataConfig


class WalkingMaps(Config):
    """Activation maps that walk."""

    views: Views = Views(scales=(0.5, 1.0, 1.5, 2.0), flip=True)  # whose maps are added up
    refine: Refinement | None = None


class IRNConfig(RunConfig):
    recipe: Literal["irn"] = "irn"
    data: SemanticDataConfig  # `audit: 1`: masks, if there are any, only measure
    classifier: ClassifierStage
    cam: CamLabels = CamLabels()  # labels that IRNet learns from
    cam_merge: MergeConfig = MergeConfig(min_confidence=0.5)  # pixels that are not sure are unknown
    irnet: IRNetStage
    maps: WalkingMaps = WalkingMaps()
    labelling: IRNetLabels = IRNetLabels()
    clicks: bool = False  # points of objects choose among the instances
    audit: AuditConfig = AuditConfig()
    student: SegmenterStage
    upper_bound: bool = False  # train a student on all true masks too, where they are known

    @model_validator(mode="after")
    def check_data(self) -> Self:
        if not self.data.tags_alone:
            raise ValueError(
                f"data.audit is {self.data.audit}: irn learns from tags alone, so give 1; images "
                "with masks, data.masks of them, only measure"
            )
        if self.data.semantic_shapes is None and self.data.annotations is None:
            raise ValueError(
                "data: irn validates instances, so give annotations and images, a COCO file with "
                "the masks of the validation images, or semantic_shapes"
            )
        return self

    @model_validator(mode="after")
    def check_walk(self) -> Self:
        for place, refine in (("cam", self.cam.refine), ("maps", self.maps.refine)):
            if isinstance(refine, Walk):
                raise ValueError(
                    f"{place}.refine: walk needs a network that only the recipe cam trains; irn "
                    "walks by boundaries anyway, so choose another one"
                )
        return self

    @model_validator(mode="after")
    def check_start(self) -> Self:
        if self.student.start == "teacher":
            raise ValueError("student.start: there is no teacher, so leave it out")
        return self

    def stages(self) -> list[str]:
        bound = ["upper_bound"] if self.upper_bound else []
        first = ["split", "objects", "classifier", "cam_labels", "cam_merged", "irnet", "labels"]
        measured = ["audit", "instances", "instances_audit", "student", *bound]
        return [*first, *measured, "evaluation", "report"]
