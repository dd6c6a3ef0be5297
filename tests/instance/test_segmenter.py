from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from upath import UPath

from ray_wssis.data.records import Category
from ray_wssis.instance.segmenter import Segmenter, network_image
from ray_wssis.instance.segmenter_config import SegmenterConfig
from ray_wssis.models.canvas import pad_images
from ray_wssis.models.solov2 import SOLOv2
from ray_wssis.models.solov2_config import InferenceConfig
from tests.support.modes import mix_modes, modes
from tests.support.tiny import TINY

CONFIG = SegmenterConfig(
    network=TINY,
    shorter=64,
    longest=100,
    inference=InferenceConfig(min_class_score=0, min_score=0, max_instances=20),
)
CATEGORIES = (Category(id=4, name="a"), Category(id=9, name="b"), Category(id=11, name="c"))


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    torch.manual_seed(0)
    network = SOLOv2(CONFIG.network, num_classes=3)
    for parameter in network.instance_head.parameters():
        torch.nn.init.normal_(parameter, std=0.3)  # masks that differ from each other
    return Segmenter(network, CONFIG, CATEGORIES)


def random_image(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_saved_segmenter_finds_the_same(segmenter: Segmenter, tmp_path: Path) -> None:
    segmenter.save(UPath(tmp_path / "model"), "# a card\n")
    loaded = Segmenter.load(UPath(tmp_path / "model"), torch.device("cpu"))
    assert loaded.categories == CATEGORIES
    assert loaded.config == segmenter.config
    assert (tmp_path / "model" / "model_card.md").read_text() == "# a card\n"
    images, sizes = [random_image(64, 90), random_image(60, 64, 1)], [(128, 180), (60, 64)]
    expected, found = segmenter.segment(images, sizes), loaded.segment(images, sizes)
    assert [vars(row) for row in found] == [vars(row) for row in expected]
    assert sum(len(row.masks) for row in found) > 0


def test_a_network_keeps_its_modes(tmp_path: Path) -> None:
    network = SOLOv2(CONFIG.network, num_classes=3)
    before = mix_modes(network)
    segmenter = Segmenter(network, CONFIG, CATEGORIES)
    assert modes(network) == before
    segmenter.segment([random_image(64, 90)], [(64, 90)])
    segmenter.save(UPath(tmp_path), "")
    assert modes(network) == before
    assert not any(modes(Segmenter.load(UPath(tmp_path), torch.device("cpu")).network))


def test_a_network_in_training_mode_finds_what_it_finds_in_evaluation_mode(
    segmenter: Segmenter,
) -> None:
    images, sizes = [random_image(64, 90)], [(64, 90)]
    expected = segmenter.segment(images, sizes)
    segmenter.network.train()
    assert segmenter.segment(images, sizes) == expected
    segmenter.network.eval()
    assert segmenter.segment(images, sizes) == expected


def test_loading_does_not_ask_for_the_first_weights_again(tmp_path: Path) -> None:
    network = SOLOv2(TINY, num_classes=3)
    gone = TINY.backbone.model_copy(update={"weights": "/nowhere/weights.pth"})
    described = CONFIG.model_copy(update={"network": TINY.model_copy(update={"backbone": gone})})
    Segmenter(network, described, CATEGORIES).save(UPath(tmp_path), "")
    assert Segmenter.load(UPath(tmp_path), torch.device("cpu")).config.network == TINY


def test_a_folder_without_a_segmenter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no config\.json"):
        Segmenter.load(UPath(tmp_path), torch.device("cpu"))
    (tmp_path / "config.json").write_text('{"kind": "refiner"}')
    with pytest.raises(ValueError, match="holds a refiner, wanted a segmenter"):
        Segmenter.load(UPath(tmp_path), torch.device("cpu"))


def test_images_get_the_size_of_the_network_and_share_a_canvas() -> None:
    images = [
        network_image(random_image(100, 120), CONFIG),
        network_image(random_image(200, 50), CONFIG),
    ]
    assert [image.shape for image in images] == [(64, 77, 3), (100, 25, 3)]
    canvas, sizes = pad_images(images)
    assert canvas.shape == (2, 3, 128, 96)
    assert sizes.tolist() == [[64, 77], [100, 25]]
    np.testing.assert_array_equal(canvas[1, :, :100, :25].permute(1, 2, 0), images[1])
    assert not canvas[1, :, :, 25:].any() and not canvas[1, :, 100:].any()


def test_nothing_sure_is_nothing_found(segmenter: Segmenter) -> None:
    strict = segmenter.config.model_copy(update={"inference": InferenceConfig(min_class_score=1)})
    found = Segmenter(segmenter.network, strict, CATEGORIES).segment(
        [random_image(64, 80)], [(64, 80)]
    )
    assert [vars(row) for row in found] == [{"labels": [], "scores": [], "masks": []}]
