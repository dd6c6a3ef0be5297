"""IRNet from end to end: tags in, an instance segmenter out.

"Weakly Supervised Learning of Instance Segmentation with Inter-pixel Relations"
(arXiv:1904.05044).  Masks, if some are there, only measure.  Every `yield` is one folder of the
run; a folder that is finished is not made again.
"""

from collections.abc import Iterator

from ray_wssis.artifacts import Artifact
from ray_wssis.instance.evaluate import evaluate
from ray_wssis.instance.merge import MERGED
from ray_wssis.instance.task import SegmenterTask
from ray_wssis.methods.cam.labeller import DrawActivationMaps
from ray_wssis.methods.cam.refined_maps import RefinedMaps
from ray_wssis.methods.cam.task import ClassifierTask
from ray_wssis.methods.irn.found import gather, measure
from ray_wssis.methods.irn.labeller import DrawInstances
from ray_wssis.methods.irn.objects import find_objects
from ray_wssis.methods.irn.report import instances_sections
from ray_wssis.methods.irn.task import IRNetTask
from ray_wssis.recipes.irn_config import IRNConfig
from ray_wssis.run import Run
from ray_wssis.semantic.audit import audit
from ray_wssis.semantic.label import label
from ray_wssis.semantic.merge import PSEUDO_LABELS, merge
from ray_wssis.semantic.split import ALL, VALIDATION, WEAK, split


def irn(run: Run, config: IRNConfig) -> Iterator[Artifact]:
    yield (data := split(run, config.data))
    yield (objects := find_objects(run, data, config.data, clicks=config.clicks))
    validation = data.part(VALIDATION)

    # 1. A classifier learns the tags; where it looks, and where it does not, some pixels are sure.
    teaches = ClassifierTask.of(config.classifier, data.part(WEAK), validation)
    says = "Train a classifier on the tags"
    yield (classifier := run.train("classifier", says, teaches, config.classifier))
    maps, in_cam = DrawActivationMaps.of(classifier.part("model"), config.cam), run.within("cam_")
    yield (sure := label(in_cam, data, maps, config.cam.max_failures))
    yield (merged := merge(in_cam, data, sure, config.cam_merge))

    # 2. IRNet learns from pairs of those where boundaries are, and where centroids lie.
    task = IRNetTask.of(config.irnet, merged.part(PSEUDO_LABELS), validation)
    says = "Train IRNet on pairs of sure pixels"
    yield (irnet := run.train("irnet", says, task, config.irnet))

    # 3. Activation maps walk within boundaries, and centroids cut them into instances.
    how = config.maps.views, config.maps.refine, config.cam.policy
    walking = RefinedMaps.of(classifier.part("model"), *how)
    labeller = DrawInstances.of(walking, irnet.part("model"), config.labelling)
    yield (labels := label(run, data, labeller, config.labelling.max_failures))
    yield (judged := audit(run, data, labels, config.audit))
    yield (found := gather(run, data, objects, labels, config.data.name))
    yield (measured := measure(run, data, objects, labels, sure))

    # 4. The student learns from the instances, and needs no tags.
    stage, truth = config.student, objects.part(VALIDATION)
    learns = SegmenterTask.of("student", stage, found.part(MERGED), truth)
    yield (student := run.train("student", "Train the student on the instances", learns, stage))
    models = {"student": student}
    if config.upper_bound:
        stage = stage.model_copy(update={"ready": None})
        bound = SegmenterTask.of("upper_bound", stage, objects.part(ALL), truth)
        says = "Train the upper bound on all true masks"
        yield (known := run.train("upper_bound", says, bound, stage))
        models["upper_bound"] = known
    yield (figures := evaluate(run, objects, models, labels, judged))
    yield run.report(
        {"evaluation": figures, "audit": judged, "instances": measured},
        lambda: instances_sections(run.folder, {name: name for name in models}),
    )
