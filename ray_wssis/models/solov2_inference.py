"""From the cells of SOLOv2 to instances (arXiv:2003.10152, "Inference" and "Matrix NMS").

Differs from the paper: candidates are capped before any mask is drawn, so that an over-confident
network cannot ask for gigabytes.

Legend: B images, C classes, N instances, L levels, E kernel channels, h w mask pixels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from ray_wssis.config import Config
from ray_wssis.models.solov2 import SOLOv2Output

LEVEL_STRIDES = (8, 8, 16, 32, 32)  # a mask must have more quarter-size pixels than this


class InferenceConfig(Config):
    min_class_score: float = 0.1
    max_candidates: int = 500
    mask_threshold: float = 0.5
    nms_sigma: float = 2.0
    min_score: float = 0.05
    max_instances: int = 100


@dataclass(frozen=True, kw_only=True)
class Detections:
    """What was found in one picture, best first; row i of every field is the same object."""

    masks: Tensor  # (N, h, w) float: probabilities at a quarter of the canvas
    labels: Tensor  # (N,) int64
    scores: Tensor  # (N,) float


@torch.inference_mode()
def detect(output: SOLOv2Output, config: InferenceConfig) -> list[Detections]:
    """The instances of each picture of the batch, found without any prompt."""
    scores = torch.cat(
        [keep_peaks(logits.float().sigmoid()).flatten(2) for logits in output.class_logits], dim=2
    )  # (B, C, cells)
    kernels = torch.cat([x.flatten(2) for x in output.kernels], dim=2)  # (B, E, cells)
    strides = torch.cat(
        [
            scores.new_full((x.shape[-1] ** 2,), stride)
            for x, stride in zip(output.kernels, LEVEL_STRIDES, strict=True)
        ]
    )  # (cells,)
    return [
        detect_one(scores[i], kernels[i], strides, output.mask_features[i], config)
        for i in range(len(scores))
    ]


def detect_one(
    scores: Tensor, kernels: Tensor, strides: Tensor, mask_features: Tensor, config: InferenceConfig
) -> Detections:
    """One picture: `scores` (C, cells), `kernels` (E, cells), `mask_features` (E, h, w)."""
    num_cells = scores.shape[1]
    flat = scores.flatten()
    best, where = flat.topk(min(config.max_candidates, len(flat)))
    kept = best > config.min_class_score
    best, where = best[kept], where[kept]
    labels, cells = where // num_cells, where % num_cells  # (N,), (N,)

    masks = draw(kernels[:, cells].T, mask_features)  # (N, h, w)
    inside = masks > config.mask_threshold
    area = inside.sum(dim=(1, 2))
    score = best * maskness(masks, inside)
    kept = area > strides[cells]
    order = torch.argsort(score.where(kept, -1), descending=True, stable=True)[: int(kept.sum())]
    masks, labels, score, inside = masks[order], labels[order], score[order], inside[order]

    score = score * matrix_nms(inside, labels, config.nms_sigma)
    order = torch.argsort(score, descending=True, stable=True)[: config.max_instances]
    order = order[score[order] >= config.min_score]
    return Detections(masks=masks[order], labels=labels[order], scores=score[order])


def keep_peaks(scores: Tensor) -> Tensor:
    """Zero where a cell is not the maximum of its 2 x 2 window (itself, above, left)."""
    highest = max_pool2d(scores, kernel_size=2, stride=1, padding=1)[:, :, :-1, :-1]
    return scores * (highest == scores)


def draw(kernels: Tensor, mask_features: Tensor) -> Tensor:
    """All masks of one picture in one product: (N, E) x (E, h, w) -> (N, h, w) probabilities."""
    h, w = mask_features.shape[-2:]
    return (kernels @ mask_features.flatten(1)).view(-1, h, w).float().sigmoid_()


def maskness(masks: Tensor, inside: Tensor) -> Tensor:
    """Mean probability over the pixels of each mask (N, h, w): how sure it is of its shape."""
    return (masks * inside).sum(dim=(1, 2)) / inside.sum(dim=(1, 2)).clamp(min=1)


def matrix_nms(inside: Tensor, labels: Tensor, sigma: float) -> Tensor:
    """(N,) factors that lower the score of a mask by its overlap with better ones of its class.

    `inside` (N, h, w) bool, sorted by score, best first.
    """
    num = len(inside)
    if num == 0:
        return labels.new_zeros(0, dtype=torch.float32)
    iou = mask_iou(inside) * (labels[:, None] == labels[None, :])
    iou = iou.triu(diagonal=1)  # (N, N): row i is better than column j
    worst_overlap = iou.amax(dim=0)  # (N,): how much i itself was covered by better ones
    decay = torch.exp(-sigma * iou**2) / torch.exp(-sigma * worst_overlap[:, None] ** 2)
    return decay.amin(dim=0)


def mask_iou(inside: Tensor) -> Tensor:
    """(N, N) intersection over union of boolean masks (N, h, w), by one matrix product."""
    flat = inside.flatten(1).float()
    overlap = flat @ flat.T
    area = flat.sum(dim=1)
    return overlap / (area[:, None] + area[None, :] - overlap).clamp(min=1)
