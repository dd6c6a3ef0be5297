"""The engine for a model folder, chosen by the kind of network in it."""

from ray_wssis.models.device import best_device
from wssis_serve.config import ServeConfig
from wssis_serve.engines.instance import StudentEngine
from wssis_serve.engines.models import Kind, ServedModels
from wssis_serve.engines.points import PointEngine


def open_student_engine(models: ServedModels, config: ServeConfig) -> StudentEngine:
    """Load the student."""
    match models.kind:
        case Kind.SEGMENTER:
            return StudentEngine(models, config, best_device())


def open_point_engine(models: ServedModels, config: ServeConfig) -> PointEngine:
    """Load teacher and refiner.  Raises ValueError when only a student is there."""
    if models.teacher is None:
        raise ValueError(f"{models.student} has no teacher and refiner beside it")
    return PointEngine(models, config, best_device())
