from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from upath import UPath

from ray_wssis.data.records import Category
from ray_wssis.masks import decode, encode, iou
from ray_wssis.methods.point_wssis.refiner import Refiner, maskness
from ray_wssis.models.mask_refine_net import MaskRefineNet
from ray_wssis.models.mask_refine_net_config import MaskRefineNetConfig
from tests.support.modes import mix_modes, modes

SMALL = MaskRefineNetConfig(
    encoder="resnet18", weights="none", crop_size=64, aspp_width=16, decoder_widths=(16, 12, 8, 8)
)
CATEGORIES = (Category(id=1, name="disc"), Category(id=7, name="ring"))


class Echo(MaskRefineNet):
    """Answers with the rough mask, or with nothing for label 1."""

    def forward(self, rgb: Tensor, rough: Tensor, point: Tensor, label: Tensor) -> Tensor:
        logits = 4.0 * rough.float() - 2.0
        logits = torch.where(label[:, None, None] == 1, -2.0, logits)
        return torch.stack([torch.zeros_like(logits), logits], dim=1)


def disc(height: int, width: int, x: float, y: float, radius: float) -> bytes:
    rows, columns = np.mgrid[:height, :width] + 0.5
    return encode((rows - y) ** 2 + (columns - x) ** 2 < radius**2)


def echo(batch_size: int = 32) -> Refiner:
    return Refiner(Echo(SMALL, 2), CATEGORIES, batch_size)


def test_an_image_without_objects_gives_nothing() -> None:
    assert echo().refine(np.zeros((50, 60, 3), np.uint8), [], [], []) == []


def test_a_network_keeps_its_modes(tmp_path: Path) -> None:
    network = MaskRefineNet(SMALL, 2)
    before = mix_modes(network)
    refiner = Refiner(network, CATEGORIES)
    assert modes(network) == before
    image, rough = np.zeros((50, 60, 3), np.uint8), disc(50, 60, 25, 25, 9)
    found = refiner.refine(image, [rough], [(25, 25)], [0])
    refiner.save(UPath(tmp_path), "")
    assert modes(network) == before
    network.eval()
    assert refiner.refine(image, [rough], [(25, 25)], [0]) == found
    assert not any(modes(Refiner.load(UPath(tmp_path), torch.device("cpu")).network))


def test_masks_come_back_in_order_whatever_the_batch() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)
    points = [(float(x), float(y)) for x, y in rng.uniform(10, 110, (7, 2))]
    roughs = [disc(120, 160, x, y, 12) for x, y in points]
    refined = echo(batch_size=3).refine(image, roughs, points, [0] * 7)
    assert [answer.fell_back for answer in refined] == [False] * 7
    for rough, answer in zip(roughs, refined, strict=True):
        assert iou(rough, answer.mask, 120, 160) > 0.85
        assert answer.score == pytest.approx(torch.tensor(2.0).sigmoid().item())
    assert refined == echo(batch_size=100).refine(image, roughs, points, [0] * 7)


def test_an_object_that_the_network_does_not_see_keeps_its_rough_mask_and_says_so() -> None:
    rough = disc(50, 50, 25, 25, 9)
    image = np.zeros((50, 50, 3), np.uint8)
    lost, found = echo().refine(image, [rough, rough], [(25, 25)] * 2, [1, 0])
    assert lost.fell_back and lost.mask == rough
    assert lost.score == pytest.approx(torch.tensor(-2.0).sigmoid().item())
    assert not found.fell_back


def test_an_empty_rough_mask_stays_and_harms_no_other() -> None:
    empty, rough = encode(np.zeros((50, 50), bool)), disc(50, 50, 25, 25, 9)
    image = np.zeros((50, 50, 3), np.uint8)
    first, second = echo().refine(image, [empty, rough], [(5, 5), (25, 25)], [0, 0])
    assert (first.mask, first.score, first.fell_back) == (empty, 0.0, True)
    assert not second.fell_back


def test_masks_of_one_pixel_and_points_far_away_are_no_trouble() -> None:
    corner = np.zeros((40, 30), bool)
    corner[39, 29] = True
    image = np.zeros((40, 30, 3), np.uint8)
    (refined,) = echo().refine(image, [encode(corner)], [(0.5, 0.5)], [0])
    assert decode(refined.mask, 40, 30).shape == (40, 30)


def test_six_hundred_objects_in_one_image() -> None:
    image = np.zeros((300, 400, 3), np.uint8)
    points = [(float(8 + 16 * (i % 24)), float(6 + 12 * (i // 24))) for i in range(600)]
    roughs = [disc(300, 400, x, y, 4) for x, y in points]
    assert len(echo(64).refine(image, roughs, points, [0] * 600)) == 600


def test_a_real_network_answers_the_same_alone_and_in_a_batch() -> None:
    torch.manual_seed(0)
    network = MaskRefineNet(SMALL, 2)
    torch.nn.init.normal_(network.head.weight)  # an answer that is not the same everywhere
    image = np.random.default_rng(1).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    points, labels = [(30.0, 30.0), (50.0, 60.0)], [0, 1]
    roughs = [disc(90, 90, x, y, 15) for x, y in points]
    together = Refiner(network, CATEGORIES).refine(image, roughs, points, labels)
    alone = Refiner(network, CATEGORIES, batch_size=1).refine(image, roughs, points, labels)
    for a, b in zip(together, alone, strict=True):
        assert iou(a.mask, b.mask, 90, 90) > 0.999
        assert a.score == pytest.approx(b.score, abs=1e-4)


def test_a_saved_refiner_is_the_same_when_loaded(tmp_path: Path) -> None:
    refiner = Refiner(MaskRefineNet(SMALL, 2), CATEGORIES)
    refiner.save(UPath(tmp_path), "# card")
    loaded = Refiner.load(UPath(tmp_path), torch.device("cpu"))
    image = np.random.default_rng(1).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    arguments = (image, [disc(90, 90, 40, 40, 15)], [(40.0, 40.0)], [1])
    assert loaded.refine(*arguments) == refiner.refine(*arguments)
    assert loaded.categories == CATEGORIES


def test_maskness_is_the_mean_probability_inside_the_mask() -> None:
    foreground = torch.tensor([[[0.9, 0.7], [0.1, 0.0]], [[0.4, 0.2], [0.1, 0.0]]])
    rough = torch.tensor([[[0, 0], [0, 1]], [[1, 1], [0, 0]]]).bool()
    torch.testing.assert_close(maskness(foreground, rough), torch.tensor([0.8, 0.3]))
