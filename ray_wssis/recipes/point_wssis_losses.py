"""Objects that the networks of a configuration cannot see, said before anything is trained."""

import logging
from collections.abc import Mapping

from ray_wssis.artifacts import Artifact
from ray_wssis.data.records import Records
from ray_wssis.instance.fingerprint.lost import Lost, count_lost
from ray_wssis.instance.fingerprint.measured import Measured, measure
from ray_wssis.instance.segmenter_config import SegmenterStage
from ray_wssis.instance.split import STRONG, WEAK
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.run import Run
from ray_wssis.storage import names_in

MOST_IMAGES = 300  # of each part that are looked at, to lose no time

logger = logging.getLogger(__name__)


def warn_of_lost_objects(run: Run, config: PointWSSISConfig, data: Artifact) -> None:
    """Log a warning for each kind of object that is lost, unless something has begun."""
    if any(names_in(run.folder / name) for name in ("teacher", "labels")):
        return
    strong, weak = (Records.read(data / name) for name in (STRONG, WEAK))
    for complaint in complaints(losses(measure(strong, weak, MOST_IMAGES), config)):
        logger.warning("%s", complaint)


def losses(measured: Measured, config: PointWSSISConfig) -> dict[str, Lost]:
    """Count what teacher and student lose, where a SOLOv2 is trained."""
    stages = {
        name: stage
        for name, stage in config.trainings().items()
        if isinstance(stage, SegmenterStage) and stage.ready is None and stage.model.queries is None
    }
    return {name: count_lost(measured, stage) for name, stage in stages.items()}


def complaints(lost: Mapping[str, Lost]) -> list[str]:
    """Say what is worth a warning; what several networks lose is said once."""
    names: dict[str, list[str]] = {}
    for name, counts in lost.items():
        for complaint in counts.complaints(disjoint=name == "teacher"):
            names.setdefault(complaint, []).append(name)
    return [f"{' and '.join(own)}: {complaint}" for complaint, own in names.items()]
