"""Tags in, a semantic segmenter out: what a classifier looks at becomes labels.

"Learning deep features for discriminative localization" (arXiv:1512.04150) gives the maps, PAMR
(arXiv:2005.08104) their edges.  Class maps, if some are there, measure; with `data.audit` below 1
the student learns from some of them too.  With `rounds` a student that, given the tags, labels
better than the activation maps draws the labels of another one.  Every `yield` is one folder of the
run; a folder that is finished is not made again.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from ray_wssis.artifacts import Artifact, Part
from ray_wssis.data.records import Records
from ray_wssis.methods.cam.affinity.task import AffinityTask
from ray_wssis.methods.cam.config import AffinityStage
from ray_wssis.methods.cam.curve import measure_curve
from ray_wssis.methods.cam.labeller import DrawActivationMaps
from ray_wssis.methods.cam.report import curve_section, rounds_section
from ray_wssis.methods.cam.saliency import check_saliency
from ray_wssis.methods.cam.task import ClassifierTask
from ray_wssis.methods.cam.verdict import judge
from ray_wssis.recipes.cam_config import CamConfig
from ray_wssis.run import Run
from ray_wssis.run_config import round_prefix
from ray_wssis.semantic.audit import audit
from ray_wssis.semantic.draw_class_maps import DrawClassMaps
from ray_wssis.semantic.evaluate import evaluate
from ray_wssis.semantic.label import label
from ray_wssis.semantic.label_config import MergeConfig
from ray_wssis.semantic.merge import PSEUDO_LABELS, merge
from ray_wssis.semantic.report import semantic_sections
from ray_wssis.semantic.split import AUDIT, STRONG, TAUGHT, VALIDATION, WEAK, split
from ray_wssis.semantic.train import train, train_upper_bound
from ray_wssis.streaming.labeller import Labeller
from ray_wssis.verdict import is_taken


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

    # 2. Its activation maps, refined, become labels, and a student learns from them; until the last
    # round not from audit images, which tell whether it labels better.
    labelling, curve, affinity = config.labelling, None, None
    if config.affinity is not None:
        learns = learn_affinity(run, config, config.affinity, data, classifier.part("model"))
        affinity = yield from learns
    drawer: Labeller = DrawActivationMaps.of(classifier.part("model"), labelling, affinity)
    models = {}
    for number in range(1, config.rounds):
        in_round = run.within(round_prefix(number))
        made = yield from make_round(in_round, config, data, TAUGHT, drawer)
        models[made.student.folder.name] = made.student
        if number == 1:
            yield (curve := measure_curve(run, data, made.labels, labelling.policy.threshold))
        again = DrawClassMaps.of(made.student.part("model"), config.student_views)
        yield (verdict := judge(in_round, data, made.labels, again))
        if not is_taken(verdict.folder):
            break
        drawer = again
    last = yield from make_round(run, config, data, STRONG, drawer)
    if curve is None:
        yield (curve := measure_curve(run, data, last.labels, labelling.policy.threshold))
    models["student"] = last.student

    # 3. The figures of it all.
    stage = config.student
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


@dataclass(frozen=True, kw_only=True)
class Round:
    """Labels of the weak images, what they are worth, and who learnt from them."""

    labels: Artifact
    judged: Artifact
    student: Artifact


def make_round(
    run: Run, config: CamConfig, data: Artifact, strong: str, drawer: Labeller
) -> Generator[Artifact, None, Round]:
    """Yield the stages of a round; its student needs no tags.

    It learns from the class maps of the part `strong` of the data too, if they may teach.
    """
    yield (labels := label(run, data, drawer, config.labelling.max_failures))
    yield (judged := audit(run, data, labels, config.audit))
    yield (merged := merge(run, data, labels, config.merge))
    quota, pseudo = config.student.strong_images, merged.part(PSEUDO_LABELS)
    learns = {"strong": pseudo}
    if quota is not None:
        learns = {"strong": data.part(strong), "pseudo": pseudo}
    says, validation = "Train the student on the labels", data.part(VALIDATION)
    yield (student := train(run, "student", says, config.student, learns, validation, quota))
    return Round(labels=labels, judged=judged, student=student)
