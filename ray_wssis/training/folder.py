"""Names of the files that a training leaves beside its models."""

from ray_wssis.training.metrics_log import NAME, TENSORBOARD

RUN = "ray_train"  # the folder in which Ray Train keeps checkpoints
SNAPSHOT = "checkpoint_manager_snapshot.json"  # Ray Train's list of them
STATE = "state.pt"  # the content of a checkpoint
CHECKPOINTS = (f"{RUN}/*/{STATE}",)  # patterns of files
LOGS = (NAME, TENSORBOARD, RUN)  # files that hold times, and so differ from run to run
