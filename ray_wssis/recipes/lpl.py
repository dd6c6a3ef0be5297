"""LPL from end to end: a few class maps and many tags in, a semantic segmenter out.

"Learning pseudo labels for semi-and-weakly supervised semantic segmentation" (Pattern Recognition
2022).  Every `yield` is one folder of the run; a folder that is finished is not made again.
"""

from collections.abc import Iterator

from ray_wssis.artifacts import Artifact
from ray_wssis.methods.lpl.first_labels import add_first_labels
from ray_wssis.methods.lpl.task import LPLTask
from ray_wssis.recipes.lpl_config import LPLConfig
from ray_wssis.run import Run
from ray_wssis.semantic.audit import audit
from ray_wssis.semantic.draw_class_maps import DrawClassMaps
from ray_wssis.semantic.evaluate import evaluate
from ray_wssis.semantic.label import label
from ray_wssis.semantic.merge import PSEUDO_LABELS, merge
from ray_wssis.semantic.report import semantic_sections
from ray_wssis.semantic.split import STRONG, TAUGHT, VALIDATION, WEAK, split
from ray_wssis.semantic.train import train, train_upper_bound


def lpl(run: Run, config: LPLConfig) -> Iterator[Artifact]:
    yield (data := split(run, config.data))
    validation, strong, weak = data.part(VALIDATION), data.part(STRONG), data.part(WEAK)
    if config.first_labels is not None:
        yield (first := add_first_labels(run, data, config.first_labels))
        weak = first.part(WEAK)

    # 1. Two networks learn from class maps and tags, and from each other.
    stage = config.hybrid
    task = LPLTask.of(
        stage,
        data.part(TAUGHT),
        weak,
        stage.weak_augment,
        stage.strong_images,
        validation,
        has_first_labels=config.first_labels is not None,
    )
    yield (hybrid := run.train("hybrid", "Train two networks on class maps and tags", task, stage))

    # 2. The one that saw the class maps labels the weak images, their tags given.
    labeller = DrawClassMaps.of(hybrid.part("model"), config.labelling.views)
    yield (labels := label(run, data, labeller, config.labelling.max_failures))
    yield (judged := audit(run, data, labels, config.audit))
    yield (merged := merge(run, data, labels, config.merge))

    # 3. The student learns from true and pseudo labels and needs no tags.
    learns = {"strong": strong, "pseudo": merged.part(PSEUDO_LABELS)}
    says = "Train the student on true and pseudo labels"
    last, quota = config.student, config.student.strong_images
    yield (student := train(run, "student", says, last, learns, validation, quota))
    models = {"hybrid": hybrid, "student": student}
    if config.baseline:
        says = "Train on the strong images alone"
        models["baseline"] = train(run, "baseline", says, last, {"strong": strong}, validation)
        yield models["baseline"]
    if config.upper_bound:
        models["upper_bound"] = train_upper_bound(run, last, data)
        yield models["upper_bound"]
    yield (figures := evaluate(run, data, models, labels, config.evaluation))
    yield run.report(
        {"evaluation": figures, "audit": judged},
        lambda: semantic_sections(run.folder, list(models)),
    )
