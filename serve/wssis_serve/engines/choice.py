"""The engine for a model folder, chosen by the kind of network in it."""

import torch

from ray_wssis.data.images.read import shortest_edge_size
from ray_wssis.models.device import best_device
from wssis_serve.config import ServeConfig
from wssis_serve.engines.canvas import padded
from wssis_serve.engines.instance import InstanceEngine
from wssis_serve.engines.models import ServedModels
from wssis_serve.engines.points import PointEngine
from wssis_serve.engines.runtime.runtime import RuntimeName
from wssis_serve.engines.semantic import SemanticEngine
from wssis_serve.segmented import Kind

PHOTOGRAPH = 3, 4  # height to width

StudentEngine = InstanceEngine | SemanticEngine


def open_student_engine(models: ServedModels, config: ServeConfig) -> StudentEngine:
    """Load the student."""
    device = torch.device("cpu") if config.runtime == "onnx" else best_device()
    match models.kind:
        case Kind.SEGMENTER:
            return InstanceEngine(models, config, device)
        case Kind.SEMANTIC:
            return SemanticEngine(models, config, device)


def hasten(engine: StudentEngine, runtime: RuntimeName) -> None:
    """Let the network be run by what `runtime` says; `auto`: by what is faster for photographs.

    Raises ValueError if onnxruntime is wanted and cannot run it.
    """
    height, width = shortest_edge_size(*PHOTOGRAPH, *engine.sides)
    engine.runtime.choose(runtime, padded(height, width))


def open_point_engine(models: ServedModels, config: ServeConfig) -> PointEngine:
    """Load teacher and refiner.  Raises ValueError when only a student is there."""
    if models.teacher is None:
        raise ValueError(f"{models.student} has no teacher and refiner beside it")
    return PointEngine(models, config, best_device())
