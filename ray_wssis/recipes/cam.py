"""Tags in, a semantic segmenter out: what a classifier looks at becomes labels.

"Learning deep features for discriminative localization" (arXiv:1512.04150) gives the maps, PAMR
(arXiv:2005.08104) their edges.  Class maps, if some are there, measure; with `data.audit` below 1
the student learns from some of them too.  With `rounds` a student that, given the tags, labels
better than the activation maps draws the labels of another one.  Every `yield` is one folder of the
run; a folder that is finished is not made again.
"""

from collections.abc import Generator, Iterator

from ray_wssis.artifacts import Artifact, Part
from ray_wssis.data.records import Records
from ray_wssis.methods.cam.affinity.task import AffinityTask
from ray_wssis.methods.cam.config import AffinityStage
from ray_wssis.methods.cam.curve import measure_curve
from ray_wssis.methods.cam.labeller import DrawActivationMaps
from ray_wssis.methods.cam.report import curve_section
from ray_wssis.methods.cam.saliency import check_saliency
from ray_wssis.methods.cam.task import ClassifierTask
from ray_wssis.recipes.cam_config import CamConfig
from ray_wssis.run import Run
from ray_wssis.semantic.evaluate import evaluate
from ray_wssis.semantic.label import label
from ray_wssis.semantic.label_config import MergeConfig
from ray_wssis.semantic.merge import PSEUDO_LABELS, merge
from ray_wssis.semantic.report import semantic_sections
from ray_wssis.semantic.report_rounds import rounds_section
from ray_wssis.semantic.rounds import Rounds, make_rounds, students
from ray_wssis.semantic.split import AUDIT, STRONG, VALIDATION, WEAK, split
from ray_wssis.semantic.train import train, train_upper_bound


def cam(run: Run, config: CamConfig) -> Iterator[Artifact]:
    yield (data := split(run, config.data))
    validation = data.part(VALIDATION)
    if config.labelling.saliency is not None:
        for part in (WEAK, AUDIT):
            check_saliency(config.labelling.saliency, Records.read(data / part))

    # 1. A classifier learns the tags; where it looks are the objects.
    task = ClassifierTask.of(config.classifier, data.part(WEAK), validation)
    says = "Train a classifier on the tags"
    yield (classifier := run.train("classifier", says, task, config.classifier))

    # 2. Its activation maps, refined, become labels, from which a student learns, which needs no
    # tags.  With `rounds` it may label for another one.
    labelling, stage, affinity = config.labelling, config.student, None
    if config.affinity is not None:
        learns = learn_affinity(run, config, config.affinity, data, classifier.part("model"))
        affinity = yield from learns
    drawer = DrawActivationMaps.of(classifier.part("model"), labelling, affinity)
    how = Rounds(
        number=config.rounds,
        max_failures=labelling.max_failures,
        audit=config.audit,
        merge=config.merge,
        student=stage,
        strong_images=stage.strong_images,
        views=config.student_views,
    )
    rounds = yield from make_rounds(run, data, drawer, how)
    first, last = rounds[0], rounds[-1]
    yield (curve := measure_curve(run, data, first.labels, labelling.policy.threshold))
    models = students(rounds)

    # 3. The figures of it all.
    if config.baseline:
        says, strong = "Train on the strong images alone", {"strong": data.part(STRONG)}
        models["baseline"] = train(run, "baseline", says, stage, strong, validation)
        yield models["baseline"]
    if config.upper_bound:
        models["upper_bound"] = train_upper_bound(run, stage, data)
        yield models["upper_bound"]
    yield (figures := evaluate(run, data, models, last.labels, config.evaluation))
    yield run.report(
        {"evaluation": figures, "audit": last.judged, "curve": curve},
        lambda: [
            *semantic_sections(run.folder, list(models)),
            curve_section(run.folder),
            *rounds_section(run.folder),
        ],
    )


def learn_affinity(
    run: Run, config: CamConfig, stage: AffinityStage, data: Artifact, classifier: Part
) -> Generator[Artifact, None, Part]:
    """Yield the stages of a network that learns which cells are alike, from those that are sure."""
    changes = {"refine": stage.refine, "policy": stage.policy}
    labels, in_sure = config.labelling.model_copy(update=changes), run.within("sure_")
    drawer = DrawActivationMaps.of(classifier, labels)
    yield (sure := label(in_sure, data, drawer, labels.max_failures))
    yield (merged := merge(in_sure, data, sure, MergeConfig(min_confidence=0.5)))
    learns, validation = merged.part(PSEUDO_LABELS), data.part(VALIDATION)
    task = AffinityTask.of(stage, config.classifier.model, learns, validation)
    says = "Train a network on pairs of sure pixels"
    yield (affinity := run.train("affinity", says, task, stage))
    return affinity.part("model")
