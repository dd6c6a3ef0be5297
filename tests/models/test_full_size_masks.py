import pytest
import torch
from torch.nn.functional import interpolate

from ray_wssis.masks import decode
from ray_wssis.models import full_size_masks
from ray_wssis.models.full_size_masks import encode_full_size, encode_in_boxes


def blobs(num: int, h: int, w: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, num, h // 4, w // 4, generator=generator)
    return interpolate(coarse, size=(h, w), mode="bicubic")[0].clamp(0, 1)


@pytest.mark.parametrize("original_size", [(75, 140), (300, 201), (61, 90)])
@pytest.mark.parametrize("pixels_at_once", [1, 30_000, 10**9])
def test_a_mask_is_enlarged_cropped_and_brought_to_the_original_size(
    original_size: tuple[int, int], pixels_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(full_size_masks, "PIXELS_AT_ONCE", pixels_at_once)
    masks, network_size = blobs(5, 16, 24), (61, 90)
    found = encode_full_size(masks, network_size, original_size, 0.5)
    for mask, counts in zip(masks, found, strict=True):
        canvas = interpolate(mask[None, None], scale_factor=4, mode="bilinear")[..., :61, :90]
        soft = interpolate(canvas, size=original_size, mode="bilinear")[0, 0]
        assert counts is not None
        torch.testing.assert_close(torch.from_numpy(decode(counts, *original_size)), soft > 0.5)


def test_an_empty_mask_is_none_and_keeps_its_place() -> None:
    masks = blobs(3, 16, 24)
    masks[1] = 0.4
    found = encode_full_size(masks, (64, 96), (64, 96), 0.5)
    assert [counts is None for counts in found] == [False, True, False]


def test_a_mask_in_the_padding_only_is_none() -> None:
    mask = torch.zeros(1, 16, 24)
    mask[:, :, 20:] = 1
    assert encode_full_size(mask, (64, 64), (64, 64), 0.5) == [None]


def test_no_masks_none_back() -> None:
    assert encode_full_size(torch.zeros(0, 16, 24), (64, 96), (640, 960), 0.5) == []


@pytest.mark.parametrize("original_size", [(75, 140), (300, 201), (61, 90), (640, 780)])
@pytest.mark.parametrize("network_size", [(61, 90), (64, 96), (33, 96)])
def test_masks_in_their_boxes_are_those_of_the_whole_image(
    network_size: tuple[int, int], original_size: tuple[int, int]
) -> None:
    generator = torch.Generator().manual_seed(1)
    masks = blobs(12, 16, 24)
    masks[3] = 0.4
    for i, (y, x) in enumerate(torch.randint(0, 12, (8, 2), generator=generator).tolist()):
        masks[i + 4] = 0
        masks[i + 4, y : y + 1 + i % 4, x : x + 1 + i % 5] = 0.3 + 0.09 * i
    boxed = encode_in_boxes(masks, network_size, original_size, 0.5)
    whole = encode_full_size(masks, network_size, original_size, 0.5)
    assert [counts is None for counts in boxed] == [counts is None for counts in whole]
    for ours, theirs in zip(boxed, whole, strict=True):
        if ours is not None and theirs is not None:
            differs = decode(ours, *original_size) != decode(theirs, *original_size)
            assert differs.sum() <= 1e-5 * differs.size  # a tie with the threshold, rounded
