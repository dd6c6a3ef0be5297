"""The curve over the background threshold, measured on the audit images.

What is said about labels from tags must not hang on one threshold that happened to fit: the page
shows all of them.
"""

import numpy as np
from upath import UPath

from ray_wssis.artifacts import Artifact, Workspace
from ray_wssis.data.class_maps.png import decode
from ray_wssis.data.class_maps.tags import background_label
from ray_wssis.data.records import Records
from ray_wssis.methods.cam.policy import LEVELS, confusion_at, count_levels
from ray_wssis.metrics.miou import Counts
from ray_wssis.run import ROWS, Run
from ray_wssis.semantic.split import AUDIT
from ray_wssis.semantic.truth import beside_truth
from ray_wssis.storage import write_json
from ray_wssis.streaming.table import each_row

CURVE = "curve.json"
STEP = 5  # levels between two points


def measure_curve(run: Run, data: Artifact, labels: Artifact, threshold: float) -> Artifact:
    """Measure labels at all thresholds: `curve.json` with the mIoU at each, in percent.

    It is empty if there are no audit images, or no background.
    """
    made_from = {"audit_images": data.part(AUDIT), "labels": labels, "threshold": threshold}

    def make(stage: Workspace) -> None:
        truth = Records.read(data / AUDIT)
        background = background_label(truth.categories)
        number = len(truth.categories)
        counts = np.zeros((number, number, LEVELS), np.int64)
        columns = ["image_id", "class_map", "classes", "scores", "error"]
        rows = each_row(labels / ROWS, columns, source=UPath(AUDIT).stem)
        for row, true, _ in beside_truth(rows, truth):
            counts += count_levels(true, decode(row["classes"]), decode(row["scores"]), number)
        points = []
        if background is not None and counts.any():
            points = [
                [round(level / (LEVELS - 1), 3), miou_at(counts, level, background)]
                for level in range(0, LEVELS, STEP)
            ]
        write_json(stage / CURVE, {"threshold": threshold, "points": points})

    return run.stage(
        "curve",
        "Measure the labels at every background threshold",
        made_from,
        make,
        follows_retry=True,
    )


def miou_at(counts: "np.ndarray", level: int, background: int) -> float:
    """Return the mIoU, in percent, if scores above `level` are of a class."""
    pixels = confusion_at(counts, level, background)
    none = Counts.none(len(pixels))
    return round(Counts(pixels=pixels, boundary=none.boundary).figures()["mIoU"], 3)
