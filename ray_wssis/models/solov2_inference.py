"""Inference of SOLOv2: cells to instances (arXiv:2003.10152, "Inference" and "Matrix NMS").

Differs from the paper: candidates are capped before any mask is drawn, so that an over-confident
network cannot ask for gigabytes.  `compat: reference` draws the masks of all sure cells before it
caps them, as the published code does; with more sure cells than the cap the two find different
instances.

Legend: B images, C classes, N instances, L levels, E kernel channels, h w mask pixels.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int64, UInt64
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import max_pool2d

from ray_wssis.models.compat import Compat
from ray_wssis.models.solov2 import SOLOv2Output
from ray_wssis.models.solov2_config import InferenceConfig

LEVEL_STRIDES = (8, 8, 16, 32, 32)  # a mask must have more quarter-size pixels than this
MASKS_AT_ONCE = 256  # some 60 MB at 800 pixels


@dataclass(frozen=True, kw_only=True)
class Detections:
    """The instances found in one image, best first; row i of every field is the same object."""

    masks: Float[Tensor, "N h w"]  # probabilities at a quarter of the canvas
    labels: Int[Tensor, " N"]
    scores: Float[Tensor, " N"]

    def best(self, threshold: float, at_most: int) -> "Detections":
        """The instances of at least this score, no more than `at_most`."""
        kept = slice(min(at_most, int((self.scores >= threshold).sum())))
        return Detections(
            masks=self.masks[kept], labels=self.labels[kept], scores=self.scores[kept]
        )


@torch.inference_mode()
def detect(
    output: SOLOv2Output, config: InferenceConfig, compat: Compat = "fixed"
) -> list[Detections]:
    """Find the instances of each image of the batch, without any prompt."""
    scores, kernels, strides = join_levels(output)
    return [
        detect_one(scores[i], kernels[i], strides, output.mask_features[i], config, compat)
        for i in range(len(scores))
    ]


def join_levels(
    output: SOLOv2Output,
) -> tuple[Float[Tensor, "B C cells"], Float[Tensor, "B E cells"], Float[Tensor, " cells"]]:
    """Join the cells of all levels: class scores, zero except at peaks, kernels and strides."""
    scores = torch.cat(
        [keep_peaks(logits.float().sigmoid()).flatten(2) for logits in output.class_logits], dim=2
    )
    kernels = torch.cat([x.flatten(2) for x in output.kernels], dim=2)
    strides = torch.cat(
        [
            scores.new_full((x.shape[-1] ** 2,), stride)
            for x, stride in zip(output.kernels, LEVEL_STRIDES, strict=True)
        ]
    )
    return scores, kernels, strides


def detect_one(
    scores: Float[Tensor, "C cells"],
    kernels: Float[Tensor, "E cells"],
    strides: Float[Tensor, " cells"],
    mask_features: Float[Tensor, "E h w"],
    config: InferenceConfig,
    compat: Compat,
) -> Detections:
    """Find the instances of one image, in the output of `join_levels`."""
    if compat == "fixed" or int((scores > config.min_class_score).sum()) <= config.max_candidates:
        best, labels, cells = choose_cells(scores, config)
        sure = best > config.min_class_score  # the others need not be drawn
        best, labels, cells = best[sure], labels[sure], cells[sure]
    else:
        best, labels, cells = choose_masks(scores, kernels, strides, mask_features, config)
    found = draw_instances(best, labels, kernels[:, cells], strides[cells], mask_features, config)
    kept = found.scores >= config.min_score
    return Detections(masks=found.masks[kept], labels=found.labels[kept], scores=found.scores[kept])


def choose_cells(
    scores: Float[Tensor, "C cells"], config: InferenceConfig
) -> tuple[Float[Tensor, " N"], Int[Tensor, " N"], Int[Tensor, " N"]]:
    """Choose the cells of the highest class scores: score, label and cell, surest first."""
    flat = scores.flatten()
    best, where = flat.topk(min(config.max_candidates, len(flat)))
    return best, where // scores.shape[1], where % scores.shape[1]


def choose_masks(
    scores: Float[Tensor, "C cells"],
    kernels: Float[Tensor, "E cells"],
    strides: Float[Tensor, " cells"],
    mask_features: Float[Tensor, "E h w"],
    config: InferenceConfig,
) -> tuple[Float[Tensor, " N"], Int[Tensor, " N"], Int[Tensor, " N"]]:
    """Choose the sure cells whose masks score highest: class score, label and cell, best first.

    Equal scores stay in the order of their cells.
    """
    cells, labels = torch.nonzero((scores > config.min_class_score).T, as_tuple=True)
    best = scores[labels, cells]
    score = torch.cat(
        [
            score_masks(
                best[chunk],
                draw(kernels[:, cells[chunk]].T, mask_features),
                strides[cells[chunk]],
                config,
            )[1]
            for chunk in torch.arange(len(best), device=best.device).split(MASKS_AT_ONCE)
        ]
    )
    kept = torch.argsort(score, descending=True, stable=True)[: config.max_candidates]
    return best[kept], labels[kept], cells[kept]


def draw_instances(
    best: Float[Tensor, " N"],
    labels: Int[Tensor, " N"],
    kernels: Float[Tensor, "E N"],
    strides: Float[Tensor, " N"],
    mask_features: Float[Tensor, "E h w"],
    config: InferenceConfig,
) -> Detections:
    """Draw the instances of N cells, best first; rows without an instance come last, with score -1.

    `best` are class scores.  No shape in here depends on a value, so `ray_wssis.instance.export`
    traces the function as it is.
    """
    masks = draw(kernels.T, mask_features)  # (N, h, w)
    inside, score = score_masks(best, masks, strides, config)
    order = torch.argsort(score, descending=True, stable=True)
    labels, score = labels[order], score[order]

    decay = matrix_nms(inside[order], labels, config.nms_sigma)
    score = score.where(score < 0, score * decay)
    best_first = torch.argsort(score, descending=True, stable=True)[: config.max_instances]
    return Detections(
        masks=masks[order[best_first]], labels=labels[best_first], scores=score[best_first]
    )


def score_masks(
    best: Float[Tensor, " N"],
    masks: Float[Tensor, "N h w"],
    strides: Float[Tensor, " N"],
    config: InferenceConfig,
) -> tuple[Bool[Tensor, "N h w"], Float[Tensor, " N"]]:
    """Return the pixels inside each mask, and class score `best` x maskness, -1 if too small."""
    inside = masks > config.mask_threshold
    real = (best > config.min_class_score) & (inside.sum(dim=(1, 2)) > strides)
    return inside, (best * maskness(masks, inside)).where(real, -1)


def keep_peaks(scores: Float[Tensor, "B C S S"]) -> Float[Tensor, "B C S S"]:
    """Set a cell to zero unless it is the maximum of its 2 x 2 window (itself, above, left)."""
    highest = max_pool2d(scores, kernel_size=2, stride=1, padding=1)[:, :, :-1, :-1]
    return scores * (highest == scores)


def draw(
    kernels: Float[Tensor, "N E"], mask_features: Float[Tensor, "E h w"]
) -> Float[Tensor, "N h w"]:
    """Draw all masks of one image, as probabilities, in one matrix product."""
    h, w = mask_features.shape[-2:]
    return (kernels @ mask_features.flatten(1)).view(-1, h, w).float().sigmoid_()


def maskness(masks: Float[Tensor, "N h w"], inside: Bool[Tensor, "N h w"]) -> Float[Tensor, " N"]:
    """Mean probability over the pixels of each mask: how sure it is of its shape."""
    weight = inside.to(masks.dtype)  # floats are summed faster than booleans
    area = weight.sum(dim=(1, 2)).clamp(min=1)
    return weight.mul_(masks).sum(dim=(1, 2)) / area


def matrix_nms(
    inside: Bool[Tensor, "N h w"], labels: Int[Tensor, " N"], sigma: float
) -> Float[Tensor, " N"]:
    """Factors that lower the score of a mask by its overlap with better ones of its class.

    Rows are sorted by score, best first.
    """
    num = len(inside)
    if num == 0:
        return labels.new_zeros(0, dtype=torch.float32)
    iou = mask_iou(inside) * (labels[:, None] == labels[None, :])
    iou = iou.triu(diagonal=1)  # (N, N): row i is better than column j
    worst_overlap = iou.amax(dim=0)  # (N,): how much i itself was covered by better ones
    decay = torch.exp(-sigma * iou**2) / torch.exp(-sigma * worst_overlap[:, None] ** 2)
    return decay.amin(dim=0)


def mask_nms(
    inside: Bool[Tensor, "N h w"], labels: Int[Tensor, " N"], max_iou: float
) -> Bool[Tensor, " N"]:
    """Mark the masks that stay if each drops the worse ones of its class that it overlaps.

    Rows are sorted by score, best first.  A dropped mask drops no other.
    Masks are compared as bits, 64 pixels a word, and only in the words that the better one fills.
    """
    words = pack_bits(inside)
    area, classes = count_bits(words), labels.cpu().numpy()  # (N,), (N,)
    kept = np.ones(len(words), dtype=bool)
    for i in range(len(words)):
        if kept[i]:
            worse = i + 1 + np.flatnonzero(kept[i + 1 :] & (classes[i + 1 :] == classes[i]))
            filled = np.flatnonzero(words[i])
            span = slice(filled[0], filled[-1] + 1) if len(filled) else slice(0)
            overlap = count_bits(words[worse, span] & words[i, span])
            union = area[i] + area[worse] - overlap
            kept[worse[overlap > max_iou * union]] = False
    return torch.from_numpy(kept).to(inside.device)


def pack_bits(inside: Bool[Tensor, "N h w"]) -> UInt64[NDArray[np.uint64], "N words"]:
    """Boolean masks as rows of bits, 64 pixels a word."""
    packed = np.packbits(inside.flatten(1).cpu().numpy(), axis=1)  # (N, bytes)
    return np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8))).view(np.uint64)


def count_bits(words: UInt64[NDArray[np.uint64], "N words"]) -> Int64[NDArray[np.int64], " N"]:
    """Set bits of each row."""
    return np.asarray(np.bitwise_count(words).sum(axis=1, dtype=np.int64))


def mask_iou(inside: Bool[Tensor, "N h w"]) -> Float[Tensor, "N N"]:
    """Intersection over union of all pairs of masks, by one matrix product."""
    flat = inside.flatten(1).float()
    overlap = flat @ flat.T
    area = flat.sum(dim=1)
    return overlap / (area[:, None] + area[None, :] - overlap).clamp(min=1)
