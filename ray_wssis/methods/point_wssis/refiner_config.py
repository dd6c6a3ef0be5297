"""Configuration of the stage that trains a refiner, or adopts one."""

from ray_wssis.config import Config
from ray_wssis.methods.point_wssis.refiner_augment_config import RefinerAugmentConfig
from ray_wssis.models.mask_refine_net_config import MaskRefineNetConfig
from ray_wssis.training.config import ScaledTraining

KIND = "refiner"  # in `config.json` of a model folder


class RefinerStage(Config):
    model: MaskRefineNetConfig
    augment: RefinerAugmentConfig = RefinerAugmentConfig()
    training: ScaledTraining
    start: str | None = None  # a model folder to take the first weights from, where they fit
    ready: str | None = None  # a model folder to use as it is: nothing is trained
