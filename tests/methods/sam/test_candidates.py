import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from ray_wssis.masks import decode
from ray_wssis.methods.sam.candidates import Candidate, Floats, cut_out, enlarge


def candidate(logits: Floats, cells: tuple[float, float]) -> Candidate:
    part = cut_out(logits)
    assert part is not None
    return Candidate(
        logits=part[0], corner=part[1], cells=cells, predicted_iou=1, stability=1, margin=0
    )


def smooth(seed: int, size: int = 32) -> Floats:
    """Blobs on a grid: noise, enlarged."""
    noise = torch.from_numpy(np.random.default_rng(seed).normal(-0.5, 1, (1, 1, 6, 6)))
    return interpolate(noise, size=(size, size), mode="bicubic")[0, 0].numpy().astype(np.float32)


@pytest.mark.parametrize("size", [(40, 70), (7, 9), (32, 32), (1, 100), (128, 5)])
def test_a_mask_is_that_of_all_logits_resized(size: tuple[int, int]) -> None:
    for seed in range(5):
        logits = smooth(seed)
        whole = interpolate(torch.from_numpy(logits)[None, None], size=size, mode="bilinear")
        expected = whole[0, 0].numpy()
        counts = enlarge(candidate(logits, (32 / size[0], 32 / size[1])), *size)
        mask = np.zeros(size, bool) if counts is None else decode(counts, *size)
        sure = np.abs(expected) > 1e-5
        np.testing.assert_array_equal(mask[sure], (expected > 0)[sure])


def test_logits_below_the_image_are_not_looked_at() -> None:
    logits = np.full((8, 8), -1.0, np.float32)
    logits[6:] = 3.0  # an image of 4 x 8 cells, padded below
    assert enlarge(candidate(logits, (1.0, 1.0)), 4, 8) is None


def test_only_the_part_around_an_object_is_kept() -> None:
    logits = np.full((64, 64), -1.0, np.float32)
    logits[10:12, 63] = 1.0
    part = cut_out(logits)
    assert part is not None and part[0].shape == (4, 2) and part[1] == (9, 62)
    assert cut_out(np.full((4, 4), -1.0, np.float32)) is None
