"""Published SOLOv2 weights give the recorded numbers (skipped without the recordings).

Instances and points are compared under `compat: reference`.  Two machines do not round alike, so
an instance within `ROUNDING` of a threshold may be on either side of it.  So may a pixel of a mask:
it moves the maskness of a mask of A pixels by up to 0.5 / A.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ray_wssis.masks import pairwise_iou
from ray_wssis.methods.point_wssis.point_prompt import decode_points
from ray_wssis.methods.point_wssis.published_prompt import (
    cells_as_published,
    painted_cells,
    painted_over,
)
from ray_wssis.models.backbone import normalise
from ray_wssis.models.canvas import pad_images
from ray_wssis.models.full_size_masks import encode_full_size
from ray_wssis.models.solov2 import SOLOv2Output
from ray_wssis.models.solov2_config import InferenceConfig
from ray_wssis.models.solov2_inference import (
    LEVEL_STRIDES,
    detect,
    draw,
    join_levels,
    mask_iou,
    maskness,
    matrix_nms,
)
from tests.support.recordings import (
    GRIDS,
    Recording,
    counts_of,
    needs_recordings,
    relative_error,
)

ROUNDING = 1e-4  # of a score


@needs_recordings
def test_pyramid_and_heads_are_the_published_ones(recording: Recording) -> None:
    for key in recording.points:
        heads = np.load(recording.folder / f"{key}_student_heads.npz")
        network = recording.network
        with torch.inference_mode():
            normalised = normalise(*pad_images([recording.images[key]]), network.mean, network.std)
            levels = network.pyramid(network.backbone(normalised))
        for i, level in enumerate(levels):
            assert relative_error(level[0, ::16], heads[f"p{i + 2}"]) < 1e-4
        for kind in GRIDS:
            heads = np.load(recording.folder / f"{key}_{kind}_heads.npz")
            output = recording.output(key, kind)
            assert output.canvas == tuple(heads["padded_height_width"])
            if "mask_features" in heads:
                assert relative_error(output.mask_features[0, ::8], heads["mask_features"]) < 1e-4
            for i in range(5):
                logits, kernels = output.class_logits[i][0, ::5], output.kernels[i][0, ::8]
                assert relative_error(logits, heads[f"class_logits_{i}"]) < 1e-4
                assert relative_error(kernels, heads[f"kernels_{i}"]) < 1e-4


@needs_recordings
def test_plain_inference_finds_the_published_instances(recording: Recording) -> None:
    for key in recording.points:
        plain = json.loads((recording.folder / f"{key}_student_plain.json").read_text())
        output = recording.output(key, "student")
        problems = [
            compared(found_instances(output, shift, *recording.sizes(key)), plain)
            for shift in (0, -ROUNDING, ROUNDING)  # cells near the threshold as they are, in, out
        ]
        assert "" in problems, (key, problems)


@dataclass(frozen=True)
class Instance:
    label: int
    score: float
    mask: bytes
    a_pixel: float  # what a pixel changes the score by, through maskness and overlap
    borderline: bool  # may be missing


def found_instances(
    output: SOLOv2Output,
    shift: float,
    network_size: tuple[int, int],
    original_size: tuple[int, int],
) -> list[Instance]:
    """The instances that plain inference finds in one image, down to just below its thresholds.

    `shift` moves the threshold of the class score.
    """
    config = InferenceConfig()
    lower = config.model_copy(
        update={
            "min_class_score": config.min_class_score + shift,
            "min_score": config.min_score - ROUNDING,
            "max_instances": 2 * config.max_instances,
        }
    )
    (found,) = detect(output, lower, "reference")
    scores = found.scores.tolist()
    full = len(scores) > config.max_instances
    last = max(config.min_score, scores[config.max_instances - 1] if full else 0)
    masks = encode_full_size(found.masks, network_size, original_size, config.mask_threshold)
    area = (found.masks > config.mask_threshold).sum(dim=(1, 2))
    rows = zip(found.labels.tolist(), scores, masks, area.tolist(), strict=True)
    return [
        Instance(label, score, mask or b"", 2 * score / num_pixels, score < last + ROUNDING)
        for label, score, mask, num_pixels in rows
        if score > last - ROUNDING
    ]


def compared(ours: list[Instance], published: dict[str, Any]) -> str:
    """The instances that only one side has, in words; empty if there are none."""
    masks = counts_of(published["masks_rle"])
    size = published["masks_rle"][0]["size"] if masks else (1, 1)
    iou = pairwise_iou([instance.mask for instance in ours], masks, *size)
    left = list(range(len(masks)))
    alone = []
    for i, instance in enumerate(ours):
        same = [
            j
            for j in left
            if published["classes"][j] == instance.label
            and abs(published["scores"][j] - instance.score) < ROUNDING + instance.a_pixel
            and iou[i, j] > 0.995
        ]
        if same:
            left.remove(same[0])
        elif not instance.borderline:
            alone.append(f"ours {instance.label} {instance.score:.5f}")
    alone += [f"published {published['classes'][j]} {published['scores'][j]:.5f}" for j in left]
    return ", ".join(alone)


@needs_recordings
def test_plain_inference_is_the_published_one_when_the_canvas_is_padded_and_cells_are_too_many(
    recording: Recording,
) -> None:
    """On an odd crop of a recorded image, against the published steps one after the other."""
    config = InferenceConfig(max_candidates=60)
    key = next(iter(recording.points))
    network = recording.network
    network.instance_head.grids = GRIDS["student"]
    with torch.inference_mode():
        output = network(*pad_images([recording.images[key][:-13, :-21]]))
    (found,) = detect(output, config, "reference")
    scores, labels = step_by_step(output, config)
    torch.testing.assert_close(found.scores, scores)
    assert torch.equal(found.labels, labels)
    (by_class_score,) = detect(output, config)
    assert found.scores.tolist() != pytest.approx(by_class_score.scores.tolist())


def step_by_step(output: SOLOv2Output, config: InferenceConfig) -> tuple[Tensor, Tensor]:
    """Scores and labels of the first image: all masks are drawn, then the best are kept."""
    probabilities, all_kernels, all_strides = join_levels(output)
    cells, labels = torch.nonzero(config.min_class_score < probabilities[0].T, as_tuple=True)
    masks = draw(all_kernels[0][:, cells].T, output.mask_features[0])
    inside = masks > config.mask_threshold
    scores = probabilities[0][labels, cells] * maskness(masks, inside)
    large = inside.sum(dim=(1, 2)) > all_strides[cells]
    assert large.sum() > config.max_candidates
    scores, labels, inside = scores[large], labels[large], inside[large]
    order = scores.argsort(descending=True, stable=True)[: config.max_candidates]
    scores = scores[order] * matrix_nms(inside[order], labels[order], config.nms_sigma)
    best = scores.argsort(descending=True, stable=True)[: config.max_instances]
    best = best[scores[best] >= config.min_score]
    return scores[best], labels[order][best]


def point_sets(recording: Recording) -> Iterator[tuple[str, Tensor, Tensor, dict[str, Any]]]:
    for key, recorded in recording.points.items():
        for name, points in recorded["points_x_y_class"].items():
            file = recording.folder / f"{key}_teacher_point_{name}.json"
            table = torch.tensor(points)
            yield key, table[:, :2].float(), table[:, 2], json.loads(file.read_text())


def recorded_evidence(record: dict[str, Any]) -> Tensor:
    """(P, L, 5): row, column, maskness, class probability, area."""
    return torch.tensor(
        record["per_point_per_level_row_column_maskness_classprob_area"], dtype=torch.float64
    )


@needs_recordings
def test_the_evidence_of_each_point_on_each_level_is_the_published_one(
    recording: Recording,
) -> None:
    for key, _, labels, record in point_sets(recording):
        output = recording.output(key, "teacher")
        for level, expected in enumerate(recorded_evidence(record).unbind(dim=1)):
            row, column = expected[:, 0].long(), expected[:, 1].long()
            probability = output.class_logits[level][0, labels, row, column].sigmoid()
            torch.testing.assert_close(probability.double(), expected[:, 3], rtol=1e-4, atol=0)
            masks = draw(output.kernels[level][0][:, row, column].T, output.mask_features[0])
            inside = masks > 0.5
            sureness, area = maskness(masks, inside).double(), inside.sum(dim=(1, 2))
            assert ((area - expected[:, 4]).abs() <= 1).all()  # a pixel at 0.5 may go either way
            same = area == expected[:, 4]
            torch.testing.assert_close(sureness[same], expected[same, 2], rtol=1e-4, atol=0)
            assert ((sureness - expected[:, 2]).abs() <= 1e-4 + 0.5 / area.clamp(min=1)).all()


@needs_recordings
def test_the_chosen_level_is_the_published_one_where_the_cells_are(recording: Recording) -> None:
    num_compared = 0
    for key, xy, labels, record in point_sets(recording):
        output = recording.output(key, "teacher")
        expected = recorded_evidence(record)
        exact = xy[:, None] / torch.tensor(output.canvas).flip(0) * sides("teacher")[:, None]
        exact = exact.flip(2)  # (P, L, 2): row, column
        agrees = exact.long() == expected[:, :, :2]
        on_boundary = (exact - exact.round()).abs() < 0.01  # the published coordinate is cut
        assert (agrees | on_boundary).all()
        selected = {tuple(row) for row in record["selected_level_row_column_class"]}
        found = decode_points(output, 0, xy, labels)
        score = expected[:, :, 2] * expected[:, :, 3]  # (P, L)
        for i in torch.nonzero(agrees.all(dim=2).all(dim=1)).flatten().tolist():
            level = int(found.level[i])
            a_pixel = 1 / expected[i, level, 4].clamp(min=1)
            as_good = score[i] >= score[i].max() * (1 - ROUNDING - a_pixel)
            assert as_good[level]
            cell = (level, *exact[i, level].long().tolist(), int(labels[i]))
            assert cell in selected or as_good.sum() > 1
            num_compared += 1
    assert num_compared


@needs_recordings
def test_reference_finds_the_published_cells_and_levels(recording: Recording) -> None:
    for key, xy, labels, record in point_sets(recording):
        output = recording.output(key, "teacher")
        place = xy / torch.tensor(output.canvas).flip(0)
        cells = cells_as_published(place, list(GRIDS["teacher"]))  # (P, L, 2)
        expected = recorded_evidence(record)
        assert torch.equal(cells, expected[:, :, :2].long())
        painted = ~painted_over(painted_cells(place, list(GRIDS["teacher"])))
        best = (expected[:, :, 2] * expected[:, :, 3]).argmax(dim=1)
        chosen = {
            (int(best[i]), *cells[i, best[i]].tolist(), int(labels[i]))
            for i in torch.nonzero(painted).flatten().tolist()
        }
        assert chosen == {tuple(row) for row in record["selected_level_row_column_class"]}


@needs_recordings
def test_reference_keeps_the_published_masks(recording: Recording) -> None:
    for key, xy, labels, record in point_sets(recording):
        found = decode_points(recording.output(key, "teacher"), 0, xy, labels, compat="reference")
        evidence = recorded_evidence(record)
        best = (evidence[:, :, 2] * evidence[:, :, 3]).argmax(dim=1)
        inside = found.masks > 0.5
        borderline = close_calls(inside, labels, torch.tensor(LEVEL_STRIDES)[best])
        shown = torch.nonzero((found.level >= 0) | borderline).flatten()
        masks = encode_full_size(found.masks[shown], *recording.sizes(key), 0.5)
        ours = [
            Instance(
                label=int(labels[point]),
                score=float(found.maskness[point]),
                mask=mask or b"",
                a_pixel=0.5 / max(int(inside[point].sum()), 1),
                borderline=bool(borderline[point]),
            )
            for point, mask in zip(shown.tolist(), masks, strict=True)
        ]
        assert not compared(ours, record), key


def close_calls(inside: Tensor, labels: Tensor, strides: Tensor) -> Tensor:
    """(P,) bool: masks (P, h, w) that a pixel could drop: hardly larger than `strides` (P,), or
    with about half of their union in common with another one of their class."""
    area = inside.sum(dim=(1, 2))
    iou = mask_iou(inside) * (labels[:, None] == labels[None, :])
    same_half = (iou - 0.5).abs() < 1 / area.clamp(min=1)[:, None]
    return ((area - strides) == 0) | ((area - strides) == 1) | same_half.any(dim=1)


def sides(kind: str) -> Tensor:
    return torch.tensor(GRIDS[kind], dtype=torch.float32)
