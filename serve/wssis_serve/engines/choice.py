"""The engine for a model folder, chosen by the kind of network in it."""

from ray_wssis.models.device import best_device
from wssis_serve.config import ServeConfig
from wssis_serve.engines.instance import InstanceEngine
from wssis_serve.engines.models import ServedModels
from wssis_serve.engines.points import PointEngine
from wssis_serve.engines.semantic import SemanticEngine
from wssis_serve.segmented import Kind

StudentEngine = InstanceEngine | SemanticEngine


def open_student_engine(models: ServedModels, config: ServeConfig) -> StudentEngine:
    """Load the student."""
    match models.kind:
        case Kind.SEGMENTER:
            return InstanceEngine(models, config, best_device())
        case Kind.SEMANTIC:
            return SemanticEngine(models, config, best_device())


def open_point_engine(models: ServedModels, config: ServeConfig) -> PointEngine:
    """Load teacher and refiner.  Raises ValueError when only a student is there."""
    if models.teacher is None:
        raise ValueError(f"{models.student} has no teacher and refiner beside it")
    return PointEngine(models, config, best_device())
