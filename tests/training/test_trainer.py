"""Ray Train starts no process and imports no torch without need."""

from typing import Any

import pytest
import ray.train

from ray_wssis.training import trainer
from ray_wssis.training.trainer import ProcessGroup, ProcessGroupConfig, Trainer


class TorchConfig:
    """Notes what the process group of torch is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def backend_cls(self) -> "TorchConfig":
        return self

    def on_start(self, worker_group: list[str], config: Any) -> None:
        assert config is self
        self.asked.append(("start", len(worker_group)))

    def on_shutdown(self, worker_group: list[str], config: Any) -> None:
        assert config is self
        self.asked.append(("shutdown", len(worker_group)))


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> TorchConfig:
    config = TorchConfig()
    monkeypatch.setattr(trainer, "torch_config", lambda: config)
    return config


def names_of_callbacks() -> set[str]:
    scaling = ray.train.ScalingConfig(num_workers=1)
    callbacks = Trainer(print, scaling_config=scaling)._create_default_callbacks()
    return {type(callback).__name__ for callback in callbacks}


def test_a_cluster_of_ours_needs_neither_datasets_nor_a_cleaner() -> None:
    names = names_of_callbacks()
    assert {"BackendSetupCallback", "AcceleratorSetupCallback"} <= names
    assert not {"DatasetsCallback", "PlacementGroupCleanerCallback"} & names


def test_a_cluster_that_outlives_the_driver_is_tidied_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    names = names_of_callbacks()
    assert "PlacementGroupCleanerCallback" in names and "DatasetsCallback" not in names


def test_one_worker_has_no_process_group(torch: TorchConfig) -> None:
    ProcessGroup().on_start(["one"], ProcessGroupConfig())
    ProcessGroup().on_shutdown(["one"], ProcessGroupConfig())
    assert torch.asked == []


def test_more_workers_have_the_process_group_of_torch(torch: TorchConfig) -> None:
    ProcessGroup().on_start(["one", "two"], ProcessGroupConfig())
    ProcessGroup().on_shutdown(["one", "two"], ProcessGroupConfig())
    assert torch.asked == [("start", 2), ("shutdown", 2)]
