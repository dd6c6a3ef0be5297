"""A whole run, whatever its recipe: every stage is one folder of the run.

python jobs/full_pipeline.py --config shapes --out /data/run
ray job submit --working-dir . -- python jobs/full_pipeline.py --config shapes --out /data/run

The stages of `recipe: point_wssis`, in order (`--until STAGE` ends after one of them):

  split         strong images with masks, weak ones with points, some for validation
  teacher       learns from the strong images
  rough_masks   what half-trained teachers draw on strong images, truth known
  refiner       learns from those to improve a rough mask
  labels        a mask for every point of the weak images, refined
  audit         how good they are, by images whose truth is known
  merged        true and pseudo masks, one training set
  student       learns from all of it
  evaluation    teacher and student on the validation images
  report        the page to look at

A stage that is finished is skipped, an interrupted one continues.
"""

from ray_wssis.cli.pipeline import run
from ray_wssis.cli.sentences import start_command

if __name__ == "__main__":
    start_command(run, __doc__)
