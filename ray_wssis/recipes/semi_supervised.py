"""Few class maps and images without any label in, a semantic segmenter out.

The methods differ in what the network learns from the unlabelled images while it trains: cross
pseudo supervision, mean teacher or UniMatch V2 (`methods/semi_supervised/`).  Every `yield` is one
folder of the run; a folder that is finished is not made again.
"""

from collections.abc import Iterator

from ray_wssis.artifacts import Artifact
from ray_wssis.methods.semi_supervised.task import SemiSupervisedTask
from ray_wssis.recipes.semi_supervised_config import SemiSupervisedConfig
from ray_wssis.run import Run
from ray_wssis.semantic.evaluate import evaluate
from ray_wssis.semantic.report import semantic_sections
from ray_wssis.semantic.split import STRONG, VALIDATION, WEAK, split
from ray_wssis.semantic.train import train, train_upper_bound


def semi_supervised(run: Run, config: SemiSupervisedConfig) -> Iterator[Artifact]:
    yield (data := split(run, config.data))
    strong, validation = data.part(STRONG), data.part(VALIDATION)
    stage = config.student
    task = SemiSupervisedTask.of(stage, strong, data.part(WEAK), validation)
    says = "Train on class maps and on images without labels"
    yield (student := run.train("student", says, task, stage))
    models = {"student": student}

    if config.baseline:
        says = "Train on the strong images alone"
        models["baseline"] = train(run, "baseline", says, stage, {"strong": strong}, validation)
        yield models["baseline"]
    if config.upper_bound:
        models["upper_bound"] = train_upper_bound(run, stage, data)
        yield models["upper_bound"]
    yield (figures := evaluate(run, data, models, None, config.evaluation))
    yield run.report(
        {"evaluation": figures}, lambda: semantic_sections(run.folder, list(models), tags=False)
    )
