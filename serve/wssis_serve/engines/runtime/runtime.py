"""The choice of what runs the network of a student: torch, or onnxruntime where that is faster."""

import logging
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from upath import UPath

from wssis_serve.engines.runtime.files import graph_file
from wssis_serve.engines.runtime.graph import INPUTS

RuntimeName = Literal["auto", "torch", "onnx"]
Maps = tuple[Tensor, ...]
Canvas = tuple[int, int]  # height and width
Network = Callable[[Tensor, Tensor], Maps]  # (B, 3, H, W) uint8, (B, 2)

NEEDED = ("onnxruntime", "onnx", "onnxscript")
EXTRA = "pip install 'ray-wssis[export]'"
ROUNDS = 7
MOST_CANVASES = 4  # each holds the weights again
ASKED_OFTEN = 8  # images on a canvas before it gets a session
TOLERANCE = 1e-2  # of the largest value of a map

logger = logging.getLogger(__name__)


class Runtime:
    """The network of a student, by torch until and unless onnxruntime is faster.

    Call it in the thread that has the network; `choose` works beside it.
    """

    def __init__(self, model: UPath, network: Network, device: torch.device) -> None:
        self.model = model
        self.network = network
        self.device = device
        self.threads = torch.get_num_threads()  # of the calling thread
        self.sessions: dict[Canvas, Any] = {}
        self.asked = Counter[Canvas]()
        self.uses_onnx = False
        self.why = f"torch on {device.type}"  # in words

    def __call__(self, images: Tensor, sizes: Tensor) -> Maps:
        canvas = (images.shape[-2], images.shape[-1])
        session = self.sessions.get(canvas)
        if session is None:
            self.note(canvas, len(images))
            return self.network(images, sizes)
        parts = [run(session, images[i : i + 1], sizes[i : i + 1]) for i in range(len(images))]
        return parts[0] if len(parts) == 1 else tuple(map(torch.cat, zip(*parts, strict=True)))

    @torch.inference_mode()
    def choose(self, wanted: RuntimeName, canvas: Canvas) -> None:
        """Take the faster one for a canvas, or the one that is `wanted`.

        Raises ValueError if onnxruntime is wanted and cannot run the network.
        """
        if wanted == "torch" or self.device.type != "cpu":
            return
        missing = [name for name in NEEDED if find_spec(name) is None]
        try:
            if missing:
                raise RuntimeError(f"{', '.join(missing)} not installed: {EXTRA}")
            session = self.open(canvas)
            difference = self.difference(session, canvas)
            if difference > TOLERANCE:
                raise RuntimeError(f"its maps differ from torch's by {difference:.2g}")
        except Exception as error:  # of torch's exporter, or of onnxruntime
            if wanted == "onnx":
                raise ValueError(f"onnxruntime cannot run {self.model}: {error}") from error
            self.why = f"torch; onnxruntime cannot run it: {error}"
            return
        ours, theirs = self.measured(session, canvas)
        self.uses_onnx = wanted == "onnx" or theirs < ours
        if self.uses_onnx:
            self.sessions[canvas] = session
        self.why = (
            f"{'onnxruntime' if self.uses_onnx else 'torch'}; on a canvas of {canvas[1]} x "
            f"{canvas[0]}, torch takes {1000 * ours:.1f} ms and onnxruntime {1000 * theirs:.1f} "
            f"({self.threads} thread{'s' * (self.threads > 1)})"
        )

    def note(self, canvas: Canvas, number: int) -> None:
        """Count images on a canvas without a session; often asked for, it gets one."""
        self.asked[canvas] += number
        is_often = self.asked[canvas] - number < ASKED_OFTEN <= self.asked[canvas]
        if self.uses_onnx and is_often and len(self.sessions) < MOST_CANVASES:
            threading.Thread(target=self.add, args=(canvas,), daemon=True).start()

    def add(self, canvas: Canvas) -> None:
        try:
            self.sessions[canvas] = self.open(canvas)
        except Exception as error:
            logger.warning("canvas %d x %d stays with torch: %s", canvas[1], canvas[0], error)

    def open(self, canvas: Canvas) -> Any:
        """A session of onnxruntime for a canvas."""
        import onnxruntime  # of the optional extra

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        # A thread that waits for work leaves its core to those beside it.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        file = graph_file(self.model, canvas)
        return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def difference(self, session: Any, canvas: Canvas) -> float:
        """The largest difference to torch, as a share of the largest value of its map."""
        images, sizes = example(canvas)
        pairs = zip(self.network(images, sizes), run(session, images, sizes), strict=True)
        return max(
            float((ours - theirs).abs().max() / ours.abs().max().clamp(min=1e-6))
            for ours, theirs in pairs
        )

    def measured(self, session: Any, canvas: Canvas) -> tuple[float, float]:
        """Median seconds of torch and of onnxruntime for an image, in turn."""
        images, sizes = example(canvas)
        ways: Sequence[Callable[[], Maps]] = (
            lambda: self.network(images, sizes),
            lambda: run(session, images, sizes),
        )
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(ROUNDS):
            for way, found in zip(ways, times, strict=True):
                start = time.perf_counter()
                way()
                found.append(time.perf_counter() - start)
        return statistics.median(times[0]), statistics.median(times[1])


def run(session: Any, image: Tensor, size: Tensor) -> Maps:
    """The maps of onnxruntime for one image."""
    values = dict(zip(INPUTS, (image.numpy(), size.numpy()), strict=True))
    return tuple(torch.from_numpy(found) for found in session.run(None, values))


def example(canvas: Canvas) -> tuple[Tensor, Tensor]:
    """Noise on a canvas, and its size."""
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, *canvas), dtype=np.uint8)
    return torch.from_numpy(pixels), torch.tensor([canvas])
