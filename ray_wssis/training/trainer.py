"""Ray Train without the processes and imports that our training has no use for.

On two cores a stage waits for every process that it starts: each imports Ray, and with torch a
process takes seconds before it does anything.
"""

from typing import Any

from ray.train.backend import Backend, BackendConfig
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from ray_wssis.session import is_lent
from ray_wssis.training.retries import Retries

DATASETS = "DatasetsCallback"  # starts an actor that hands out Ray Datasets; we have none
CLEANER = "PlacementGroupCleanerCallback"  # starts one that tidies up after a dead controller


class Trainer(DataParallelTrainer):
    """Starts the controller, the workers and the actor that synchronises them.

    `board` and `name` are those of the task, whose workers start again after failures.
    """

    def __init__(self, *args: Any, board: Any = None, name: str = "", **options: Any) -> None:
        super().__init__(*args, backend_config=ProcessGroupConfig(), **options)
        self.board, self.name = board, name

    def _initialize_and_run_controller(self, **parts: Any) -> Any:
        parts["failure_policy"] = Retries(self.run_config.failure_config, self.board, self.name)
        return super()._initialize_and_run_controller(**parts)

    def _create_default_callbacks(self) -> list[Any]:
        """Ray's own, without those that are not needed.

        A cluster of ours ends with the driver, and all that a dead controller leaves ends with it.
        """
        unused = {DATASETS} if is_lent() else {DATASETS, CLEANER}
        callbacks = super()._create_default_callbacks()
        return [callback for callback in callbacks if type(callback).__name__ not in unused]

    def _register_sigint_handler(self, controller: Any) -> None:
        """Leave Ctrl-C to `stop_signal`: Ray's own way out loses the steps since a checkpoint."""


class ProcessGroup(Backend):
    """The process group of torch, for more than one worker.

    With one worker the controller need not import torch.
    """

    share_cuda_visible_devices = True  # as `ray.train.torch.get_device` expects

    def on_start(self, worker_group: Any, backend_config: BackendConfig) -> None:
        if len(worker_group) > 1:
            config = torch_config()
            config.backend_cls().on_start(worker_group, config)

    def on_shutdown(self, worker_group: Any, backend_config: BackendConfig) -> None:
        if len(worker_group) > 1:
            config = torch_config()
            config.backend_cls().on_shutdown(worker_group, config)


class ProcessGroupConfig(BackendConfig):
    @property
    def backend_cls(self) -> type[Backend]:
        return ProcessGroup


def work(sent: dict[str, Any]) -> None:
    """Train on one worker."""
    from ray_wssis.training.loop import learn  # imports torch, which a driver need not

    learn(sent)


def torch_config() -> Any:
    """Ray's settings for torch: NCCL between GPUs, Gloo between CPUs."""
    from ray.train.torch import TorchConfig

    return TorchConfig()
