"""Every point on more images gets a mask, by a run that is trained.

python jobs/annotate.py /data/run /data/points.json --images /data/images --out /data/out
ray job submit --working-dir . -- python jobs/annotate.py /data/run /data/points.json ...
"""

from ray_wssis.cli.annotate import annotate
from ray_wssis.cli.app import start_command

if __name__ == "__main__":
    start_command(annotate)
