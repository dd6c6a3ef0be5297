import pytest
import torch
from torch import Tensor

from ray_wssis.models.backbone import normalise
from ray_wssis.models.backbone_config import BackboneConfig
from ray_wssis.models.solov2 import SOLOv2, with_coordinates
from ray_wssis.models.solov2_config import SOLOv2Config

SMALL = SOLOv2Config(
    backbone=BackboneConfig(name="resnet18", weights="none", frozen_stages=0, norm="batch"),
    grids=(8, 7, 6, 5, 4),
    pyramid_channels=16,
    head_channels=16,
    num_head_convs=2,
    mask_channels=16,
    kernel_channels=12,
    norm_groups=4,
)


@pytest.fixture(scope="module")
def network() -> SOLOv2:
    torch.manual_seed(0)
    return SOLOv2(SMALL, num_classes=3).eval()


def images_of(height: int, width: int, num: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (num, 3, height, width), dtype=torch.uint8, generator=generator)


def test_every_cell_has_class_logits_and_a_kernel(network: SOLOv2) -> None:
    output = network(images_of(64, 96), torch.tensor([[64, 96], [50, 70]]))
    assert [tuple(x.shape) for x in output.class_logits] == [(2, 3, s, s) for s in (8, 7, 6, 5, 4)]
    assert [tuple(x.shape) for x in output.kernels] == [(2, 12, s, s) for s in (8, 7, 6, 5, 4)]
    assert output.mask_features.shape == (2, 12, 16, 24)
    assert output.canvas == (64, 96)


def test_every_cell_begins_sure_to_a_hundredth_that_it_is_background() -> None:
    torch.manual_seed(1)
    output = SOLOv2(SMALL, num_classes=3).eval()(images_of(64, 64), torch.tensor([[64, 64]] * 2))
    for logits in output.class_logits:
        assert (logits.sigmoid() - 0.01).abs().max() < 0.01


def test_what_lies_outside_the_image_does_not_matter(network: SOLOv2) -> None:
    images, sizes = images_of(64, 64), torch.tensor([[64, 40], [33, 64]])
    painted = images.clone()
    painted[0, :, :, 40:] = 255
    painted[1, :, 33:] = 0
    with torch.inference_mode():
        expected, found = network(images, sizes), network(painted, sizes)
    torch.testing.assert_close(expected.mask_features, found.mask_features, rtol=0, atol=0)
    assert not normalise(images, sizes, network.mean, network.std)[0, :, :, 40:].any()


def test_an_image_is_the_same_alone_and_in_a_batch(network: SOLOv2) -> None:
    images, sizes = images_of(64, 64), torch.tensor([[64, 40], [33, 64]])
    with torch.inference_mode():
        together, alone = network(images, sizes), network(images[1:], sizes[1:])
    torch.testing.assert_close(together.mask_features[1:], alone.mask_features)
    torch.testing.assert_close(together.kernels[0][1:], alone.kernels[0])


def test_coordinates_are_x_then_y_from_corner_to_corner() -> None:
    places = with_coordinates(torch.zeros(1, 4, 3, 5))[0, 4:]
    torch.testing.assert_close(places[0, 1], torch.tensor([-1, -0.5, 0, 0.5, 1]))
    torch.testing.assert_close(places[1, :, 2], torch.tensor([-1.0, 0, 1]))


def test_the_default_is_the_published_network() -> None:
    with torch.device("meta"):
        backbone = BackboneConfig(name="resnet50", weights="none", stride_in_1x1=True)
        network = SOLOv2(SOLOv2Config(backbone=backbone), num_classes=80)
    assert sum(value.numel() for value in network.state_dict().values()) == 46_646_032
