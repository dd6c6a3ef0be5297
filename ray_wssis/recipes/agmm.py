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
from ray_wssis.semantic.audit import audit
from ray_wssis.semantic.draw_class_maps import DrawClassMaps
from ray_wssis.semantic.evaluate import evaluate
from ray_wssis.semantic.label import label
from ray_wssis.semantic.merge import PSEUDO_LABELS, merge
from ray_wssis.semantic.report import semantic_sections
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
    if config.labelling is not None:
        labeller = DrawClassMaps.of(network.part("model"), config.labelling.views)
        yield (labels := label(run, data, labeller, config.labelling.max_failures))
        yield (judged := audit(run, data, labels, config.audit))
        reported["audit"] = judged
        yield (merged := merge(run, data, labels, config.merge))
        if config.student is not None:
            says, learns = "Train the student on the labels", {"strong": merged.part(PSEUDO_LABELS)}
            models["student"] = train(run, "student", says, config.student, learns, validation)
            yield models["student"]

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
        {"evaluation": figures} | reported, lambda: semantic_sections(run.folder, list(models))
    )
