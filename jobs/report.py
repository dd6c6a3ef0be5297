"""The page that shows what a run came to.

python jobs/report.py --config shapes --out /data/run
ray job submit --working-dir . -- python jobs/report.py --config shapes --out /data/run

What it needs from earlier jobs and is not in the run folder yet is made first.
"""

from ray_wssis.cli.app import start

if __name__ == "__main__":
    start(lambda run: run.report)
