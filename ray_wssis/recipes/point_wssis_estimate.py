"""Minutes that a run of PointWSSIS will take, before its first training.

Teacher, refiner and student make a few steps each, on the taught images; what has no steps is
counted in images.  The true masks stand in for rough ones, which do not exist yet.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from ray_wssis.artifacts import Artifact
from ray_wssis.data.records import Records
from ray_wssis.instance.segmenter_config import SegmenterStage
from ray_wssis.instance.split import AUDIT, TAUGHT, UNLABELLED, VALIDATION, WEAK
from ray_wssis.instance.task import SegmenterTask
from ray_wssis.methods.point_wssis.refiner_task import RefinerTask
from ray_wssis.methods.point_wssis.rough_masks import EarlyTeachers, source_of
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.run import Run
from ray_wssis.run_config import round_prefix
from ray_wssis.storage import remove
from ray_wssis.training.config import TrainingConfig, TrainingWorkers
from ray_wssis.training.timing import Probe, Timing, time_trainings

START = 10.0  # seconds until the processes of a stage are there, on two cores
FEW = 4  # samples of the first timed steps
NUM_VALIDATED = 8  # images of a timed validation
NUM_STOOD_IN = 32  # images whose true masks stand in for rough ones

logger = logging.getLogger(__name__)


def estimate(run: Run, config: PointWSSISConfig, data: Artifact) -> dict[str, float]:
    """Return the seconds that each slow stage will take."""
    if all(stage.ready for stage in config.trainings().values()):
        return {}
    if not config.labeller.has_trained_refiner:
        logger.info(
            "How fast %s labels is not known, so labelling comes on top",
            config.labeller.refiner or config.labeller.name,
        )
    timings = time_stages(config, data, run.folder)
    return seconds(config, numbers(data), timings)


def time_stages(
    config: PointWSSISConfig, data: Artifact, folder: UPath, names: Sequence[str] | None = None
) -> dict[str, Timing]:
    """Time some steps of these stages, by default of all, with files meanwhile in `folder`."""
    stand_ins = folder / "timing"
    try:
        for name in (TAUGHT, VALIDATION):
            write_stand_ins(data / name, stand_ins / name)
        trainings = probes(config, data, str(stand_ins))
        chosen = {name: trainings[name] for name in names or trainings}
        return time_trainings(chosen, config.seed, config.training_workers)
    finally:
        if stand_ins.exists():
            remove(stand_ins)


def write_stand_ins(records: UPath, file: UPath) -> None:
    """Write the true masks of the first images as if they were rough ones."""
    from ray_wssis.methods.point_wssis.practice import drawable  # imports torch

    everything = Records.read(records)
    first = everything.select(range(min(len(everything), NUM_STOOD_IN)))
    rows = [
        {
            "image_id": record.image_id,
            "annotation_id": [obj.annotation_id for obj in objects],
            "rough": [obj.mask for obj in objects],
            "source": source_of(records.name),
            "error": None,
        }
        for record, objects in ((record, drawable(record)) for record in first)
    ]
    schema = pa.schema([*EarlyTeachers.schema, ("source", pa.string()), ("error", pa.string())])
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as stream:
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), stream)


def probes(config: PointWSSISConfig, data: Artifact, rough: str) -> dict[str, Probe]:
    """Compose the trainings to be timed: those that will be made, on the taught images."""
    images, validation = data.part(TAUGHT), data.part(VALIDATION)
    trained = config.trainings()
    segmenters = {
        name: stage for name, stage in trained.items() if isinstance(stage, SegmenterStage)
    }
    timed = {
        name: probe(
            SegmenterTask.of(name, cold(stage), images, validation),
            stage.training,
            config.training_workers,
        )
        for name, stage in segmenters.items()
        if stage.ready is None
    }
    if "refiner" in trained and config.refiner.ready is None:
        refiner = replace(RefinerTask.of(config.refiner, images, validation, None), rough=rough)
        timed["refiner"] = probe(refiner, config.refiner.training, config.training_workers)
    return timed


def cold(stage: SegmenterStage) -> SegmenterStage:
    """Leave out where the first weights come from: no step is slower for it."""
    return stage.model_copy(update={"start": None})


def probe(
    task: SegmenterTask | RefinerTask, training: TrainingConfig, workers: TrainingWorkers
) -> Probe:
    """Time the share of one worker."""
    share = max(1, training.batch_size // workers.number)
    few = min(FEW, share)
    return Probe(
        few=replace(task, batch_size=few, max_validation_images=NUM_VALIDATED),
        full=replace(task, batch_size=share),
        share=share / few,
        num_validated=NUM_VALIDATED,
        config=training,
    )


def numbers(data: Artifact) -> dict[str, int]:
    """Count the images of each part."""
    parts = [TAUGHT, AUDIT, WEAK, VALIDATION]
    if (data / UNLABELLED).exists():
        parts.append(UNLABELLED)
    return {name: len(Records.read(data / name)) for name in parts}


def seconds(
    config: PointWSSISConfig, number: Mapping[str, int], timings: Mapping[str, Timing]
) -> dict[str, float]:
    """Add up steps, validations and images, and the start of the processes of each stage."""
    trainings = config.trainings()
    took = {
        name: trained(trainings[name].training, timing, number[VALIDATION])
        for name, timing in timings.items()
    }
    if config.upper_bound and "student" in took:
        took["upper_bound"] = took["student"]
    segmented = [timing.validated for name, timing in timings.items() if name != "refiner"]
    seen = max(segmented, default=0)
    refined = timings["refiner"].validated if "refiner" in timings else 0
    actors = config.labelling_workers.number
    if "refiner" in trainings and config.refiner.ready is None:
        early = len(config.teacher.training.early) * number[TAUGHT]
        took["rough_masks"] = START + seen * (early + number[VALIDATION]) / actors
    if config.labeller.has_trained_refiner:  # how fast another one is, is not known
        took["labels"] = START + (seen + refined) * (number[WEAK] + number[AUDIT]) / actors
    if UNLABELLED in number:
        images = number[UNLABELLED] + number[AUDIT]
        took["proposals"] = START + (seen + refined) * images / actors
    took["verdict"] = START + (seen + refined) * number[AUDIT] / actors
    models = config.rounds + config.upper_bound + config.labeller.is_trained
    took["evaluation"] = START + seen * models * number[VALIDATION] / actors
    for earlier in range(1, config.rounds):
        of_each = ("labels", "proposals", "student", "verdict")
        took |= {round_prefix(earlier) + name: took[name] for name in of_each if name in took}
    return {name: took[name] for name in config.stages() if name in took}


def trained(training: TrainingConfig, timing: Timing, num_validation_images: int) -> float:
    validations = math.ceil(training.steps / training.validate_every)
    validated = min(num_validation_images, training.max_validation_images)
    return START + training.steps * timing.step + validations * validated * timing.validated
