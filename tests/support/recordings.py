"""The recorded inputs and outputs of the published networks, and the weights they were made with.

They are not part of the project: tests that need them are skipped where they are not.
"""

import os
import runpy
from pathlib import Path

import torch
from upath import UPath

from ray_wssis.methods.point_wssis.import_checkpoint import import_checkpoint

BESIDE = Path(__file__).parents[2] / ".." / "shared" / "parity"  # the checkout
PARITY = Path(os.environ.get("WSSIS_PARITY", BESIDE))


def imported_model(recording: Path, folder: Path) -> UPath:
    """The model folder, in `folder`, of the network behind a recording.

    Its weights are made as a published file, which is then imported.
    """
    model, seed = recording.stem.rsplit("_seed", 1)
    state = runpy.run_path(str(PARITY / "make_weights.py"))["make"](model, int(seed))
    key = "model_state" if model == "maskrefinenet" else "model"
    torch.save({key: state}, folder / "published.pth")
    import_checkpoint(folder / "published.pth", folder / "model")
    return UPath(folder / "model")
