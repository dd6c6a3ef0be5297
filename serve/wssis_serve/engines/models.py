"""The networks that are served: those of a run, or a student alone.

They are found by reading small files: no torch here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from upath import UPath

from ray_wssis.data.records import Category
from ray_wssis.instance.drawer import drawer_of, is_drawn_here
from ray_wssis.models.model_folder import (
    DESCRIPTION,
    METRICS,
    STUDENTS,
    categories_of,
    find_model,
)
from ray_wssis.storage import Place, locate, read_json
from wssis_serve.segmented import Kind, ModelName

REFINER = "refiner/model"  # in a run folder, as its stages name it
CALIBRATION = "audit/calibration.json"


@dataclass(frozen=True, kw_only=True)
class ServedModels:
    """The places of the networks, as URIs."""

    kind: Kind
    student: str
    teacher: str | None  # None: with the refiner, when a model folder alone is served
    refiner: str | None
    calibration: str | None  # of the expected IoU
    metrics: str | None
    stage: str = "student"  # that trained it, in the names of metrics


def find_models(place: Place) -> ServedModels:
    """The networks of the run, or of the model folder, at `place`.

    Raises ValueError when there is no student, or one of a kind that cannot be served.
    """
    folder = locate(place)
    student = find_model(folder)
    kind = kind_of(student)
    stage = next((name for name in STUDENTS if student == folder / name / "model"), None)
    run = None if stage is None else folder

    def existing(name: str) -> str | None:
        return str(run / name) if run is not None and (run / name).exists() else None

    teacher, refiner = existing(f"{drawer_of(folder)}/model"), existing(REFINER)
    is_whole = kind is Kind.SEGMENTER and teacher is not None and refiner is not None
    return ServedModels(
        kind=kind,
        student=str(student),
        teacher=teacher if is_whole else None,
        refiner=refiner if is_whole else None,
        calibration=existing(CALIBRATION) if is_drawn_here(folder) else None,
        metrics=existing(METRICS),
        stage=stage or "student",
    )


def kind_of(model: UPath) -> Kind:
    """The kind of network in a model folder.  Raises ValueError for one that cannot be served."""
    found = str(read_json(model / DESCRIPTION).get("kind"))
    try:
        return Kind(found)
    except ValueError:
        raise ValueError(
            f"{model}: holds a {found}; only a segmenter or a semantic network can be served"
        ) from None


def classes_of(models: ServedModels) -> tuple[Category, ...]:
    """The classes of the student, in the order of their labels."""
    return categories_of(read_json(UPath(models.student) / DESCRIPTION))


def metrics_of(models: ServedModels, prefix: str) -> dict[str, Any] | None:
    """The figures of the run that begin with `prefix`, without it; None when there are none."""
    if models.metrics is None:
        return None
    found = {
        name.removeprefix(prefix): value
        for name, value in read_json(UPath(models.metrics)).items()
        if name.startswith(prefix)
    }
    return found or None


def described(
    name: ModelName,
    categories: Sequence[Category],
    sides: tuple[int, int] | None,
    metrics: dict[str, Any] | None,
) -> dict[str, Any]:
    """One model as `GET /v1/models` describes it.

    `sides` are the shorter and the longest side of an image in the network, in pixels.
    """
    shorter, longest = sides or (None, None)
    return {
        "name": name.name,
        "hash": name.hash,
        "classes": [
            {"label": label, "category_id": category.id, "name": category.name}
            for label, category in enumerate(categories)
        ],
        "shorter": shorter,
        "longest": longest,
        "metrics": metrics,
    }
