"""AGMM-SASS from end to end: points or scribbles on every image in, a semantic segmenter out.

"Sparsely Annotated Semantic Segmentation with Adaptive Gaussian Mixtures" (CVPR 2023).  Every
`yield` is one folder of the run; a folder that is finished is not made again.
"""

from collections.abc import Iterator

from ray_wssis.artifacts import Artifact
from ray_wssis.methods.agmm.config import Terms
from ray_wssis.methods.agmm.task import SparseTask
from ray_wssis.recipes.agmm_config import AGMMConfig
from ray_wssis.run import Run
from ray_wssis.semantic.draw_class_maps import DrawClassMaps
from ray_wssis.semantic.evaluate import evaluate
from ray_wssis.semantic.report import semantic_sections
from ray_wssis.semantic.report_rounds import rounds_section
from ray_wssis.semantic.rounds import Rounds, make_rounds, students
from ray_wssis.semantic.split import SPARSE, VALIDATION, WEAK_TRUTH, split
from ray_wssis.semantic.train import train

PARTIAL = Terms.model_validate(dict.fromkeys(Terms.model_fields, 0) | {"partial": 1})


def agmm(run: Run, config: AGMMConfig) -> Iterator[Artifact]:
    yield (data := split(run, config.data))
    sparse, validation = data.part(SPARSE), data.part(VALIDATION)

    # 1. A network learns from what is annotated, and from its own Gaussian mixture elsewhere.
    task = SparseTask.of("agmm", config.agmm, sparse, validation)
    yield (network := run.train("agmm", "Train on points or scribbles", task, config.agmm))
    models, labels, reported = {"agmm": network}, None, {}

    # 2. If wanted, it labels the pixels that nobody annotated, and a student learns from those.
    # Beyond the paper, the student may label for another one.
    if config.labelling is not None:
        views = config.labelling.views
        how = Rounds(
            number=config.rounds,
            max_failures=config.labelling.max_failures,
            audit=config.audit,
            merge=config.merge,
            student=config.student,
            views=views,
        )
        drawer = DrawClassMaps.of(network.part("model"), views)
        rounds = yield from make_rounds(run, data, drawer, how)
        models |= students(rounds)
        labels, reported["audit"] = rounds[-1].labels, rounds[-1].judged

    # 3. The least and the most that these images can teach.
    if config.baseline:
        stage = config.agmm.model_copy(update={"terms": PARTIAL, "ready": None})
        task = SparseTask.of("baseline", stage, sparse, validation)
        says = "Train with partial cross entropy alone"
        models["baseline"] = run.train("baseline", says, task, stage)
        yield models["baseline"]
    if config.upper_bound:
        says, truth = "Train on the full class maps", {"strong": data.part(WEAK_TRUTH)}
        models["upper_bound"] = train(run, "upper_bound", says, config.agmm, truth, validation)
        yield models["upper_bound"]
    yield (figures := evaluate(run, data, models, labels, config.evaluation))
    yield run.report(
        {"evaluation": figures} | reported,
        lambda: [*semantic_sections(run.folder, list(models)), *rounds_section(run.folder)],
    )
