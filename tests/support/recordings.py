"""The recorded inputs and outputs of the published networks, and the weights they were made with.

They are not part of the project: tests that need them are skipped where they are not.
"""

import functools
import json
import os
import runpy
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from upath import UPath

from ray_wssis.instance.samples import Sample, collate, quarter_size
from ray_wssis.instance.segmenter import Segmenter
from ray_wssis.instance.segmenter_config import OVERLAPPING_RANGES
from ray_wssis.methods.point_wssis.import_checkpoint import import_checkpoint
from ray_wssis.models.canvas import pad_images
from ray_wssis.models.solov2 import SOLOv2Output
from ray_wssis.models.solov2_targets import Instances

BESIDE = Path(__file__).parents[2] / ".." / "shared" / "parity"  # the checkout
PARITY = Path(os.environ.get("WSSIS_PARITY", BESIDE))
RECORDINGS = sorted(PARITY.glob("solov2_r*_seed*/"))
GRIDS = {"student": (40, 36, 24, 16, 12), "teacher": (80, 64, 32, 24, 12)}
RANGES = {
    "student": OVERLAPPING_RANGES,
    "teacher": ((1, 72), (72, 144), (144, 288), (288, 584), (584, 2048)),
}


def needs_recordings(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that compares with the recordings of SOLOv2."""
    skip = pytest.mark.skipif(not RECORDINGS, reason=f"no recordings in {PARITY}")
    marked: Callable[..., None] = pytest.mark.slow(skip(test))
    return marked


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


class Recording:
    """One folder of recordings and the network that it was made with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.points: dict[str, Any] = json.loads((folder / "points.json").read_text())
        self.images = np.load(folder / "images_rgb.npz")
        with TemporaryDirectory() as place:
            model = imported_model(folder, Path(place))
            self.network = Segmenter.load(model, torch.device("cpu")).network
        self.output = functools.cache(self._output)

    def _output(self, key: str, kind: str) -> SOLOv2Output:
        self.network.instance_head.grids = GRIDS[kind]  # the same weights serve both
        with torch.inference_mode():
            output: SOLOv2Output = self.network(*pad_images([self.images[key]]))
        return output

    def sizes(self, key: str) -> tuple[tuple[int, int], tuple[int, int]]:
        """(height, width) of the network image and of the original."""
        points = self.points[key]
        return tuple(points["input_height_width"]), tuple(points["original_height_width"])

    def batch(self, kind: str) -> tuple[Tensor, Tensor, Instances]:
        """The images of the loss recordings, with published centres and boxes."""
        truth = np.load(self.folder / "losses_truth.npz")
        samples = []
        for i, key in enumerate(truth["image_keys"]):
            found = [quarter_size(mask.astype(np.uint8)) for mask in truth[f"masks_{i}"]]
            objects = [each for each in found if each is not None]
            assert len(objects) == len(found)
            x0, y0, x1, y1 = truth[f"boxes_xyxy_{i}"].T
            samples.append(
                Sample(
                    image_id=i,
                    image=self.images[key],
                    labels=truth[f"labels_{i}"].tolist(),
                    # published centres are means of whole pixel numbers, ours of pixel centres
                    centres=[(x - 0.5, y - 0.5) for (x, y), _, _ in objects],
                    box_sizes=list(zip((x1 - x0).tolist(), (y1 - y0).tolist(), strict=True)),
                    masks=[small for _, _, small in objects],
                )
            )
        batch = collate(samples)
        return batch.images, batch.sizes, batch.instances


def relative_error(ours: Tensor, published: np.ndarray) -> float:
    return float(np.abs(ours.detach().numpy() - published).max() / np.abs(published).max())


def counts_of(rles: list[dict[str, Any]]) -> list[bytes]:
    return [rle["counts"].encode() for rle in rles]
