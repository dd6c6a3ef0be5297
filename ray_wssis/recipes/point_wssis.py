"""PointWSSIS from end to end: a few masks and many points in, an instance segmenter out.

"The Devil is in the Points: Weakly Semi-Supervised Instance Segmentation via Point-Guided Mask
Representation" (arXiv:2303.15062).  Every `yield` is one folder of the run; a folder that is
finished is not made again.
"""

from collections.abc import Iterator

from ray_wssis.artifacts import Artifact
from ray_wssis.data.split.files import split_name
from ray_wssis.instance.audit import audit
from ray_wssis.instance.evaluate import evaluate
from ray_wssis.instance.label import label
from ray_wssis.instance.merge import MERGED, merge
from ray_wssis.instance.report import instance_sections
from ray_wssis.instance.segmenter_config import TEACHER, SegmenterStage
from ray_wssis.instance.split import ALL, TAUGHT, VALIDATION, split
from ray_wssis.instance.task import SegmenterTask
from ray_wssis.methods.point_wssis.labeller import PointLabeller
from ray_wssis.methods.point_wssis.refiner_task import RefinerTask
from ray_wssis.methods.point_wssis.rough_masks import EarlyTeachers
from ray_wssis.recipes.point_wssis_checks import check_what_comes_later
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.recipes.point_wssis_estimate import estimate
from ray_wssis.recipes.point_wssis_losses import warn_of_lost_objects
from ray_wssis.run import Run


def point_wssis(run: Run, config: PointWSSISConfig) -> Iterator[Artifact]:
    yield (data := split(run, config.data))
    validation = data.part(VALIDATION)
    check_what_comes_later(config, data)
    warn_of_lost_objects(run, config, data)
    run.estimate(before="teacher", measure=lambda: estimate(run, config, data))

    # 1. The teacher learns from the strong images, except for those of the audit.
    task = SegmenterTask.of("teacher", config.teacher, data.part(TAUGHT), validation)
    yield (teacher := run.train("teacher", "Train the teacher on the masks", task, config.teacher))

    # 2. As it was half-way through, it draws rough masks whose truth is known, and the refiner
    # learns to improve them.
    rough = None
    if config.refiner.ready is None:
        early = EarlyTeachers.of(teacher, len(config.teacher.training.early))
        images = [data.part(TAUGHT), validation]
        yield (rough := run.stream("rough_masks", "Draw rough masks to practise on", images, early))
    improve = RefinerTask.of(config.refiner, data.part(TAUGHT), validation, rough)
    yield (refiner := run.train("refiner", "Train the refiner on them", improve, config.refiner))

    # 3. Every point of the weak images becomes a rough mask, and the refiner improves it.  Images
    # whose truth is known tell how good the masks are.
    labeller = PointLabeller.of(teacher.part("model"), refiner.part("model"))
    yield (labels := label(run, data, labeller, config.labelling))
    yield (judged := audit(run, data, labels, labeller.signals, config.audit))
    name = split_name(config.data.name, config.data.percent)
    yield (merged := merge(run, data, labels, judged, labeller.lineage, name, config.merge))

    # 4. The student learns from true and pseudo masks together.  Unlike in the paper, it may
    # start from the teacher's weights: in few steps a cold student does not overtake its teacher.
    stage = started(config.student, teacher)
    task = SegmenterTask.of("student", stage, merged.part(MERGED), validation)
    yield (student := run.train("student", "Train the student on both", task, stage))
    models = {"teacher": teacher, "student": student}
    if config.upper_bound:
        models["upper_bound"] = upper_bound(run, stage, data)
        yield models["upper_bound"]
    yield (figures := evaluate(run, data, models, labels, judged))
    roles = {role: model.folder.name for role, model in {**models, "refiner": refiner}.items()}
    yield run.report(
        {"evaluation": figures, "audit": judged}, lambda: instance_sections(run.folder, roles)
    )


def started(stage: SegmenterStage, teacher: Artifact) -> SegmenterStage:
    """Replace a start from the teacher by the teacher's model folder."""
    if stage.start != TEACHER:
        return stage
    return stage.model_copy(update={"start": str(teacher / "model")})


def upper_bound(run: Run, stage: SegmenterStage, data: Artifact) -> Artifact:
    """Train the student that knows all masks: what the other one could reach."""
    stage = stage.model_copy(update={"ready": None})
    task = SegmenterTask.of("upper_bound", stage, data.part(ALL), data.part(VALIDATION))
    return run.train("upper_bound", "Train the upper bound on all true masks", task, stage)
