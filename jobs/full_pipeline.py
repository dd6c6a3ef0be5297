"""PointWSSIS from end to end: a few masks and many points in, a trained segmenter out.

python jobs/full_pipeline.py --config shapes --out /data/run
ray job submit --working-dir . -- python jobs/full_pipeline.py --config shapes --out /data/run

Every line of the page makes one folder of the run; a line whose folder is finished is skipped.
"""

from ray_wssis.artifacts import Artifact
from ray_wssis.cli.app import start
from ray_wssis.recipes.point_wssis import PointWSSIS


def full_pipeline(run: PointWSSIS) -> Artifact:
    steps = [
        run.data,  # strong images with masks, weak ones with points, some for validation
        run.teacher,  # learns from the strong images
        run.rough,  # what a half-trained teacher draws for strong images, truth known
        run.refiner,  # learns from those to mend a rough mask
        run.labels,  # a mask for every point of the weak images, mended
        run.merged,  # strong and pseudo masks, one training set
        run.student,  # learns from all of it
        run.evaluation,  # teacher and student on the validation images
        run.report,  # the page to look at
    ]
    return steps[-1]


if __name__ == "__main__":
    start(full_pipeline)
