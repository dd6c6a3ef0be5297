"""Refusals of what later stages of PointWSSIS could not be made from, before any training."""

from ray_wssis.artifacts import Artifact
from ray_wssis.data.records import Records
from ray_wssis.instance.segmenter_config import BACKBONE, TEACHER
from ray_wssis.instance.segmenter_config import KIND as SEGMENTER
from ray_wssis.instance.split import ALL, VALIDATION, WEAK
from ray_wssis.methods.point_wssis.refiner_config import KIND as REFINER
from ray_wssis.models.licence import say_licences
from ray_wssis.models.model_folder import check_model, hash_start
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.storage import locate


def check_what_comes_later(config: PointWSSISConfig, data: Artifact) -> None:
    """Raise ValueError for what the split shows to be impossible."""
    check_models(config, data)
    say_licences(first_weights(config))
    if config.upper_bound:
        check_upper_bound(data)


def first_weights(config: PointWSSISConfig) -> dict[str, tuple[str, str]]:
    """Return the network whose weights each training starts from, and their source."""
    refiner = config.refiner.model
    found = {"refiner": (refiner.encoder, refiner.weights)}
    for name, stage in (("teacher", config.teacher), ("student", config.student)):
        found[name] = stage.model.first_weights
    return {name: found[name] for name, stage in config.trainings().items() if stage.ready is None}


def check_models(config: PointWSSISConfig, data: Artifact) -> None:
    """Raise ValueError if a model folder that a later stage wants cannot be used there."""
    categories = Records.read(data / VALIDATION).categories
    for name, stage in config.trainings().items():
        kind = REFINER if name == "refiner" else SEGMENTER
        if stage.ready is not None:
            try:
                check_model(locate(stage.ready), kind, categories)
            except ValueError as error:
                raise ValueError(f"{name}.ready: {error}") from error
        elif stage.start not in (None, TEACHER, BACKBONE):
            try:
                hash_start(stage.start)
            except ValueError as error:
                raise ValueError(f"{name}.{error}") from error


def check_upper_bound(data: Artifact) -> None:
    """Raise ValueError if some mask of a weak image is not known."""
    if (data / ALL).exists():
        return
    num_weak = len(Records.read(data / WEAK))
    images = f"the {num_weak} weak images" if num_weak else "the images without points"
    raise ValueError(
        f"upper_bound: the true masks of {images} are not all known, so nothing can be trained on "
        "them. Leave out --upper-bound"
    )
