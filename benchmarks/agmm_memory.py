"""Measure the memory that each loss of AGMM takes, forwards and backwards.

    python -m benchmarks.agmm_memory --classes 81 --side 512 --batch 4 [--present 81]

Random features of 256 channels and logits at a quarter of the side stand for the network.  Each
loss has a process of its own, whose highest resident memory counts beyond those tensors.
"""

import argparse
import multiprocessing
import resource
from concurrent.futures import ProcessPoolExecutor

import torch

from ray_wssis.data.class_maps.png import UNKNOWN
from ray_wssis.methods.agmm.cells import count_cells
from ray_wssis.methods.agmm.config import SoftLabels
from ray_wssis.methods.agmm.learner import absent_loss, log_probabilities
from ray_wssis.methods.agmm.mixture import mixture_losses
from ray_wssis.methods.agmm.soft_labels import soft_label_loss
from ray_wssis.semantic.loss import pixel_cross_entropy

LOSSES = ("partial", "absent", "self, label, separation", "soft")
CHANNELS = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--classes", type=int, default=81)
    parser.add_argument("--side", type=int, default=512, help="pixels")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--present", type=int, default=81, help="annotated classes of an image")
    given = parser.parse_args()
    sizes = given.classes, given.side, given.batch, given.present
    print(f"{given.classes} classes, {given.batch} images of {given.side} pixels, each with")
    print(f"annotated pixels of {given.present} classes")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as pool:
        for name in LOSSES:
            print(f"{name}: {pool.submit(peak_of, name, *sizes).result():.2f} GiB", flush=True)


def peak_of(name: str, num_classes: int, side: int, batch: int, present: int) -> float:
    """Return the GiB that a loss takes at most."""
    size, quarter = (batch, side, side), (side // 4, side // 4)
    features = torch.randn(batch, CHANNELS, *quarter).requires_grad_()
    logits = torch.randn(batch, num_classes, *quarter).requires_grad_()
    labels = torch.full(size, UNKNOWN, dtype=torch.uint8)
    for k in range(present):
        labels[:, 5 * k % side, 7 * k % side] = k
    images = torch.randint(0, 256, (batch, 3, side, side), dtype=torch.uint8)
    inside = torch.ones(size, dtype=torch.bool)
    before = peak()
    cells = count_cells(labels, inside, logits)
    log_p, log_not_p = log_probabilities(logits)
    match name:
        case "partial":
            loss = pixel_cross_entropy(logits, labels)
        case "absent":
            loss = absent_loss(log_not_p, cells.present, cells)
        case "soft":
            loss = soft_label_loss(log_p, images, cells.present, cells, SoftLabels())
        case _:
            losses = mixture_losses(features, log_p, log_not_p, cells, "adaptive")
            loss = torch.stack(list(losses.values())).sum()
    loss.backward()
    return peak() - before


def peak() -> float:
    """Return the highest resident memory of this process so far, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
