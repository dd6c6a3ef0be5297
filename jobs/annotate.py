"""A mask for every point on new images, drawn by a trained run.

python jobs/annotate.py /data/run /data/points.json --images /data/images --out /data/out
ray job submit --working-dir . -- python jobs/annotate.py /data/run /data/points.json ...
"""

from ray_wssis.cli.annotate import annotate
from ray_wssis.cli.sentences import start_command

if __name__ == "__main__":
    start_command(annotate, __doc__)
