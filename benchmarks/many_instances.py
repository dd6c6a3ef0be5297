"""Measures the memory that many instances take, in inference on one large image.

    python -m benchmarks.many_instances --instances 0 1 100 300

A SOLOv2 student (ResNet-50, published widths, random weights) looks at an image of 1920 x 1080
pixels; the masks are drawn at that size and become run lengths.  Each row is a process of its own,
and its figure the highest resident memory from the call of `Segmenter.segment` to its end, over
what was resident before: image, network and libraries.  Linux only.

Random weights are confident about nothing.  So that they find as many instances as requested, no
score is too low (`min_class_score` and `min_score` are 0), matrix NMS lowers none (`nms_sigma` is
0), the limit of instances is the number requested, and the kernels get a bias towards large masks.
Everything else has its default: 500 candidates are drawn to choose from in every row but the first,
in which no class is ever likely enough.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from benchmarks.scenes import random_image, random_segmenter, segmenter_config
from benchmarks.timing import table
from ray_wssis.instance.segmenter import Segmenter, network_image
from ray_wssis.models.solov2_config import InferenceConfig

ORIGINAL = (1080, 1920)  # height, width
GIB = 2**20  # in kB, the unit of /proc


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--instances", type=int, nargs="+", default=[0, 1, 100, 300])
    parser.add_argument("--shorter", type=int, default=800, help="network pixels")
    parser.add_argument("--longest", type=int, default=1333, help="network pixels")
    parser.add_argument("--runs", type=int, default=3, help="processes for each number")
    parser.add_argument("--alone", action="store_true", help="measure one number here and now")
    options = parser.parse_args()
    if options.alone:
        print(peak_of(options.instances[0], options.shorter, options.longest))
        return
    size = f"--shorter {options.shorter} --longest {options.longest}".split()
    rows = []
    for num in options.instances:
        command = [sys.executable, "-m", "benchmarks.many_instances", "--alone", *size]
        peaks = sorted(
            float(subprocess.check_output([*command, "--instances", str(num)], text=True))
            for _ in range(options.runs)
        )
        middle = peaks[len(peaks) // 2]
        rows.append([str(num), f"**{middle:.2f}** ({peaks[0]:.2f}-{peaks[-1]:.2f})"])
    print(
        f"Shorter side {options.shorter}, longest {options.longest}; masks {ORIGINAL[1]} x "
        f"{ORIGINAL[0]}; {torch.get_num_threads()} threads; {options.runs} processes each\n"
    )
    print(table(["instances", "GiB above the model"], rows))


def peak_of(num: int, shorter: int, longest: int) -> float:
    """Return the GiB of memory that `segment` takes to find `num` instances."""
    torch.manual_seed(0)
    segmenter = eager_segmenter(num, shorter, longest)
    pixels = random_image(*ORIGINAL, np.random.default_rng(0))
    image = network_image(pixels, segmenter.config)
    Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark
    before = resident("VmRSS")
    found = segmenter.segment([image], [ORIGINAL])[0]
    peak = resident("VmHWM")
    assert len(found.masks) == num, f"{len(found.masks)} instances instead of {num}"
    return (peak - before) / GIB


def eager_segmenter(num: int, shorter: int, longest: int) -> Segmenter:
    """Build a segmenter that finds exactly `num` instances in any image."""
    inference = InferenceConfig(
        min_class_score=0 if num else 1, nms_sigma=0, min_score=0, max_instances=num
    )
    config = segmenter_config("student").model_copy(
        update={"inference": inference, "shorter": shorter, "longest": longest}
    )
    segmenter = random_segmenter(config)
    bias = segmenter.network.instance_head.kernel_out.bias
    assert bias is not None
    torch.nn.init.constant_(bias, 0.001)
    return segmenter


def resident(which: str) -> int:
    """Return kB from /proc/self/status: VmRSS is now, VmHWM the peak since it was last reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{which}:"))


if __name__ == "__main__":
    main()
