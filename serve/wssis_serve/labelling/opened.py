"""The images that a server offers to label: objects, or strokes and tags for class maps."""

from typing import Any

from wssis_serve.config import ServeConfig
from wssis_serve.engines.models import classes_of, find_models
from wssis_serve.errors import ApiError
from wssis_serve.labelling.queue import Queue
from wssis_serve.labelling.strokes import StrokesQueue
from wssis_serve.segmented import Kind


def open_queue(config: ServeConfig) -> Queue | StrokesQueue | None:
    """The images to label, if there are any.  Raises ValueError if they cannot be labelled."""
    if config.queue is None:
        return None
    models = find_models(config.model)
    kind = StrokesQueue if models.kind is Kind.SEMANTIC else Queue
    return kind(config.queue, config.labels, classes_of(models))


def answer_of(queue: Queue | StrokesQueue, method: str, *args: Any) -> Any:
    """The answer of a method of a queue.  Raises ApiError 404 for one of the other kind."""
    if not hasattr(queue, method):
        kept = "strokes and tags" if isinstance(queue, StrokesQueue) else "objects"
        text = f"the labels of these images are {kept}; the paths of the API name them"
        raise ApiError(404, "not_found", text)
    return getattr(queue, method)(*args)
