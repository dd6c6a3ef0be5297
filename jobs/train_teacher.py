"""The teacher learns to segment from the strong images.

python jobs/train_teacher.py --config shapes --out /data/run
ray job submit --working-dir . -- python jobs/train_teacher.py --config shapes --out /data/run

What it needs from earlier jobs and is not in the run folder yet is made first.
"""

from ray_wssis.cli.app import start

if __name__ == "__main__":
    start(lambda run: run.teacher)
