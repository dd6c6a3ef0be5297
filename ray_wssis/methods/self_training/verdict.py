"""The stage that tells whether a round is taken: whether its student is worse than the network
before it on the audit images, from which neither learnt."""

from ray_wssis.artifacts import Artifact, Workspace
from ray_wssis.data.records import Records
from ray_wssis.run import ROWS, Run
from ray_wssis.semantic.count_labels import CountLabels
from ray_wssis.semantic.evaluate import model_figures
from ray_wssis.semantic.segmenter_config import Views
from ray_wssis.semantic.split import AUDIT
from ray_wssis.storage import write_json
from ray_wssis.verdict import VERDICT, said


def judge(run: Run, data: Artifact, before: Artifact, after: Artifact) -> Artifact:
    """Compare two models: `verdict.json`."""
    models = {"before": before.part("model"), "after": after.part("model")}

    def make(stage: Workspace) -> None:
        images = Records.read(data / AUDIT)
        figures: dict[str, float | None] = dict.fromkeys(models)
        if len(images):
            names = [category.name for category in images.categories]
            run.infer(stage, [data.part(AUDIT)], CountLabels.of(models, len(names), Views()))
            measured = model_figures(stage / ROWS, names)
            for model in models:
                value = measured.get(f"{model}/val/mIoU", float("nan"))
                figures[model] = value if value == value else None
        write_json(stage / VERDICT, said(len(images), figures["before"], figures["after"]))

    return run.stage(
        "verdict",
        "Tell on the audit images whether the round made it worse",
        {"audit_images": data.part(AUDIT)} | models,
        make,
        logs=[ROWS],
        keep=[ROWS],
    )
