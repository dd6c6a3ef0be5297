"""The pictures in three parts: strong (masks), weak (points only), validation.

python jobs/split.py --config shapes --out /data/run
ray job submit --working-dir . -- python jobs/split.py --config shapes --out /data/run

What it needs from earlier jobs and is not in the run folder yet is made first.
"""

from ray_wssis.cli.app import start

if __name__ == "__main__":
    start(lambda run: run.data)
