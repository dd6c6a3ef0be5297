"""Which networks are served: those of a run, or a student alone."""

from dataclasses import dataclass
from typing import Any

from upath import UPath

from ray_wssis.instance.export import find_model
from ray_wssis.storage import Place, locate, read_json

TEACHER, REFINER = "teacher/model", "refiner/model"  # in a run folder, as its stages name them
CALIBRATION = "audit/calibration.json"
METRICS = "metrics.json"


@dataclass(frozen=True, kw_only=True)
class ServedModels:
    """Where the networks lie, as URIs."""

    student: str
    teacher: str | None  # None: with the refiner, when a model folder alone is served
    refiner: str | None
    calibration: str | None  # of the expected IoU
    metrics: str | None


def find_models(place: Place) -> ServedModels:
    """The networks of the run, or of the model folder, at `place`.

    Raises ValueError when there is no student.
    """
    folder = locate(place)
    student = find_model(folder)
    run = folder if student == folder / "student" / "model" else None

    def there(name: str) -> str | None:
        return str(run / name) if run is not None and (run / name).exists() else None

    teacher, refiner = there(TEACHER), there(REFINER)
    whole = teacher is not None and refiner is not None
    return ServedModels(
        student=str(student),
        teacher=teacher if whole else None,
        refiner=refiner if whole else None,
        calibration=there(CALIBRATION),
        metrics=there(METRICS),
    )


def metrics_of(models: ServedModels, prefix: str) -> dict[str, Any] | None:
    """The figures of the run that begin with `prefix`, without it; None where none are known."""
    if models.metrics is None:
        return None
    found = {
        name.removeprefix(prefix): value
        for name, value in read_json(UPath(models.metrics)).items()
        if name.startswith(prefix)
    }
    return found or None
