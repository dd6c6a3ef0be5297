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
from ray_wssis.semantic.draw_class_maps import DrawClassMaps
from ray_wssis.semantic.evaluate import evaluate
from ray_wssis.semantic.report import semantic_sections
from ray_wssis.semantic.report_rounds import rounds_section
from ray_wssis.semantic.rounds import Rounds, make_rounds, students
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

    # 2. The one that saw the class maps labels the weak images, their tags given, and a student
    # learns from true and pseudo labels and needs no tags.  Beyond the paper, it may label for
    # another one.
    views, student = config.labelling.views, config.student
    how = Rounds(
        number=config.rounds,
        max_failures=config.labelling.max_failures,
        audit=config.audit,
        merge=config.merge,
        student=student,
        strong_images=student.strong_images,
        views=views,
    )
    drawer = DrawClassMaps.of(hybrid.part("model"), views)
    rounds = yield from make_rounds(run, data, drawer, how)
    last = rounds[-1]
    models = {"hybrid": hybrid, **students(rounds)}

    # 3. The figures of it all.
    if config.baseline:
        says = "Train on the strong images alone"
        models["baseline"] = train(run, "baseline", says, student, {"strong": strong}, validation)
        yield models["baseline"]
    if config.upper_bound:
        models["upper_bound"] = train_upper_bound(run, student, data)
        yield models["upper_bound"]
    yield (figures := evaluate(run, data, models, last.labels, config.evaluation))
    yield run.report(
        {"evaluation": figures, "audit": last.judged},
        lambda: [*semantic_sections(run.folder, list(models)), *rounds_section(run.folder)],
    )
