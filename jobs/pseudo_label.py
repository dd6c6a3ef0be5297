"""Every point of the weak images gets a mask; strong and weak become one training set.

python jobs/pseudo_label.py --config shapes --out /data/run
ray job submit --working-dir . -- python jobs/pseudo_label.py --config shapes --out /data/run

What it needs from earlier jobs and is not in the run folder yet is made first.
"""

from ray_wssis.cli.app import label, start_command

if __name__ == "__main__":
    start_command(label)
