"""Configuration of class activation maps: the classifier, and labels made of its maps."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ray_wssis.config import Config
from ray_wssis.models.backbone_config import BackboneConfig
from ray_wssis.models.classifier_config import ClassifierConfig
from ray_wssis.models.solov2_config import PADDING_MULTIPLE
from ray_wssis.semantic.augment_config import SemanticAugment
from ray_wssis.semantic.segmenter_config import Views
from ray_wssis.training.config import ScaledTraining

KIND = "classifier"  # in `config.json` of a model folder
AFFINITY_KIND = "affinity"
Share = Annotated[float, Field(ge=0, le=1)]


class Puzzle(Config):
    """Tiles and the whole image give the same maps (arXiv:2101.11253)."""

    name: Literal["puzzle"] = "puzzle"
    weight: float = Field(default=4, ge=0)  # of the difference
    ramp_steps: int = Field(default=0, ge=0)  # until the whole weight counts


class SEAM(Config):
    """Maps of a small view, and refined by likeness, are the same (arXiv:2004.04581)."""

    name: Literal["seam"] = "seam"
    weight: float = Field(default=1, ge=0)  # of both differences
    width: int = Field(default=64, ge=1)  # channels that tell what is alike
    hardest: float = Field(default=0.2, gt=0, le=1)  # share of the cells that is learnt


class DRS(Config):
    """Activations are capped (arXiv:2103.07246)."""

    name: Literal["drs"] = "drs"
    share: float = Field(default=0.55, gt=0, le=1)  # of the highest value of a channel


class Fickle(Config):
    """Cells are hidden at random (arXiv:1902.10421)."""

    name: Literal["fickle"] = "fickle"
    hide: float = Field(default=0.9, ge=0, lt=1)  # chance that a neighbour is hidden
    window: int = Field(default=3, ge=1)  # cells, both sides; odd
    passes: int = Field(default=20, ge=1)  # random maps at work

    @model_validator(mode="after")
    def check_window(self) -> Self:
        if self.window % 2 == 0:
            raise ValueError(f"window is {self.window}, it must be odd to have a middle")
        return self


class ICD(Config):
    """A direction for each class parts it from its background (CVPR 2020)."""

    name: Literal["icd"] = "icd"
    weight: float = Field(default=1, ge=0)  # of the branch that learns the sides
    clear: float = Field(default=0.2, ge=0, lt=1)  # share of the largest score that tells a side
    warmup_steps: int = Field(default=0, ge=0)  # before the branch learns


class Group(Config):
    """Images that share a class explain each other (arXiv:2012.05007)."""

    name: Literal["group"] = "group"
    width: int = Field(default=32, ge=1)  # channels that are compared


Regulariser = Annotated[Puzzle | SEAM | DRS | Fickle | ICD | Group, Field(discriminator="name")]


class ClassifierModel(Config):
    """A classifier and the sizes it sees."""

    network: ClassifierConfig = ClassifierConfig()
    regulariser: Regulariser | None = None  # what it learns, or how it looks, beside the tags
    shorter: int = Field(default=512, ge=PADDING_MULTIPLE)  # network pixels
    longest: int = Field(default=1024, ge=PADDING_MULTIPLE)

    @model_validator(mode="after")
    def check_sizes(self) -> Self:
        if self.longest < self.shorter:
            raise ValueError(f"longest is {self.longest}, less than shorter, {self.shorter}")
        return self

    @property
    def sides(self) -> tuple[int, int]:
        return self.shorter, self.longest


class ClassifierStage(Config):
    """A stage that trains a classifier on tags, or adopts one."""

    model: ClassifierModel
    augment: SemanticAugment = SemanticAugment()
    training: ScaledTraining
    ready: str | None = None  # a model folder to use as it is: nothing is trained


class PAMR(Config):
    """Pixel-adaptive mask refinement (arXiv:2005.08104)."""

    name: Literal["pamr"] = "pamr"
    iterations: int = Field(default=10, ge=1)
    dilations: tuple[Annotated[int, Field(ge=1)], ...] = (1, 2, 4, 8, 12, 24)  # network pixels


class Policy(Config):
    """The way from scores, 0..1, to labels."""

    threshold: Share = 0.3  # score above which a pixel is of a class, not background
    sure_background: Share = 0.05  # score up to which background is sure
    sure_class: Share = 0.3  # score from which a class is sure

    @model_validator(mode="after")
    def check_order(self) -> Self:
        if not 0 < self.sure_background <= self.threshold <= self.sure_class < 1:
            raise ValueError(
                "0 < sure_background <= threshold <= sure_class < 1 must hold; they are "
                f"{self.sure_background}, {self.threshold}, {self.sure_class}"
            )
        return self


class Walker(Config):
    """A random walker from the pixels that are sure (PAMI 2006)."""

    name: Literal["walker"] = "walker"


class Graph(Config):
    """A graph network that learns from the sure pixels of each image (arXiv:2103.16762)."""

    name: Literal["graph"] = "graph"
    cell: int = Field(default=4, ge=1)  # network pixels, a side of a node
    surest: float = Field(default=0.3, gt=0, le=1)  # share of a class's sure pixels that teach
    hidden: int = Field(default=16, ge=1)  # channels
    drop: float = Field(default=0.3, ge=0, lt=1)  # of the channels' values, while it learns
    steps: int = Field(default=250, ge=1)  # for an image
    rate: float = Field(default=0.01, gt=0)
    entropy: float = Field(default=1, ge=0)  # weight of being sure elsewhere


class CRF(Config):
    """A conditional random field within a window (arXiv:1805.04777)."""

    name: Literal["crf"] = "crf"
    reach: int = Field(default=5, ge=1)  # network pixels, half a side of the window
    iterations: int = Field(default=10, ge=1)
    near: float = Field(default=3, ge=0)  # weight of neighbours of any colour
    near_pixels: float = Field(default=3, gt=0)  # deviation of their distance
    alike: float = Field(default=10, ge=0)  # weight of neighbours of like colour
    alike_pixels: float = Field(default=80, gt=0)  # deviation of their distance
    alike_levels: float = Field(default=13, gt=0)  # deviation of their colour, of 255


class Walk(Config):
    """A random walk by affinities that are learnt (arXiv:1803.10464)."""

    name: Literal["walk"] = "walk"
    power: float = Field(default=8, gt=0)  # of the affinity of two cells
    steps: int = Field(default=256, ge=0)


Untrained = Annotated[PAMR | Walker | Graph | CRF, Field(discriminator="name")]
Refinement = Annotated[PAMR | Walker | Graph | CRF | Walk, Field(discriminator="name")]


class AffinityConfig(Config):
    """The network that tells which cells are alike (arXiv:1803.10464)."""

    backbone: BackboneConfig = BackboneConfig(norm="frozen")
    output_stride: Literal[8, 16, 32] = 16  # of the coarsest features: finer ones by dilation
    stride: Literal[4, 8] = 8  # network pixels, a side of a cell
    widths: tuple[Annotated[int, Field(ge=1)], ...] = (64, 128, 256)  # channels of the last levels


class AffinityModel(Config):
    network: AffinityConfig = AffinityConfig()
    radius: int = Field(default=5, ge=2)  # cells: nearer ones are pairs


class AffinityStage(Config):
    """A stage that learns which cells are alike from activation maps, or adopts a network."""

    model: AffinityModel = AffinityModel()
    augment: SemanticAugment = SemanticAugment()
    training: ScaledTraining
    refine: Untrained | None = PAMR()  # of the maps it learns from
    policy: Policy = Policy(threshold=0.12, sure_background=0.08, sure_class=0.28)  # and of those
    ready: str | None = None  # a model folder to use as it is: nothing is trained


class CamLabels(Config):
    """Labels that class activation maps become."""

    views: Views = Views(scales=(0.5, 1.0, 1.5, 2.0), flip=True)  # whose maps are added up
    refine: Refinement | None = PAMR()
    policy: Policy = Policy()
    # Folder of gray images, named as the others but for the ending: how salient each pixel is.
    saliency: str | None = None
    max_failures: int | None = Field(default=None, ge=0)  # images; null: any number
