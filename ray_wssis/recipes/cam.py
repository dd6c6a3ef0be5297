"""Tags in, a semantic segmenter out: what a classifier looks at becomes labels.

"Learning deep features for discriminative localization" (arXiv:1512.04150) gives the maps, PAMR
(arXiv:2005.08104) their edges.  Class maps, if some are there, measure; with `data.audit` below 1
the student learns from some of them too.  Every `yield` is one folder of the run; a folder that is
finished is not made again.
"""

from collections.abc import Iterator

from ray_wssis.artifacts import Artifact
from ray_wssis.methods.cam.curve import measure_curve
from ray_wssis.methods.cam.labeller import DrawActivationMaps
from ray_wssis.methods.cam.report import curve_section
from ray_wssis.methods.cam.task import ClassifierTask
from ray_wssis.recipes.cam_config import CamConfig
from ray_wssis.run import Run
from ray_wssis.semantic.audit import audit
from ray_wssis.semantic.evaluate import evaluate
from ray_wssis.semantic.label import label
from ray_wssis.semantic.merge import PSEUDO_LABELS, merge
from ray_wssis.semantic.report import semantic_sections
from ray_wssis.semantic.split import STRONG, VALIDATION, WEAK, split
from ray_wssis.semantic.train import train, train_upper_bound


def cam(run: Run, config: CamConfig) -> Iterator[Artifact]:
    yield (data := split(run, config.data))
    validation = data.part(VALIDATION)

    # 1. A classifier learns the tags; where it looks are the objects.
    task = ClassifierTask.of(config.classifier, data.part(WEAK), validation)
    says = "Train a classifier on the tags"
    yield (classifier := run.train("classifier", says, task, config.classifier))

    # 2. Its activation maps, refined, become labels.
    labelling = config.labelling
    labeller = DrawActivationMaps.of(classifier.part("model"), labelling)
    yield (labels := label(run, data, labeller, labelling.max_failures))
    yield (curve := measure_curve(run, data, labels, labelling.policy.threshold))
    yield (judged := audit(run, data, labels, config.audit))
    yield (merged := merge(run, data, labels, config.merge))

    # 3. The student learns from them, and needs no tags.
    last, quota = config.student, config.student.strong_images
    pseudo, says = merged.part(PSEUDO_LABELS), "Train the student on the labels"
    learns = {"strong": pseudo}
    if quota is not None:
        learns = {"strong": data.part(STRONG), "pseudo": pseudo}
    yield (student := train(run, "student", says, last, learns, validation, quota))
    models = {"student": student}
    if config.baseline:
        says, strong = "Train on the strong images alone", {"strong": data.part(STRONG)}
        models["baseline"] = train(run, "baseline", says, last, strong, validation)
        yield models["baseline"]
    if config.upper_bound:
        models["upper_bound"] = train_upper_bound(run, last, data)
        yield models["upper_bound"]
    yield (figures := evaluate(run, data, models, labels, config.evaluation))
    yield run.report(
        {"evaluation": figures, "audit": judged, "curve": curve},
        lambda: [*semantic_sections(run.folder, list(models)), curve_section(run.folder)],
    )
