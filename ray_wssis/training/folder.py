"""Names of what a training leaves beside its models."""

from ray_wssis.training.metrics_log import NAME, TENSORBOARD

RUN = "ray_train"  # the folder in which Ray Train keeps checkpoints
LOGS = (NAME, TENSORBOARD, RUN)  # what tells of times, and differs from run to run
