"""Vision transformers with the decoder of DPT."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from ray_wssis.models.dpt import DPT
from ray_wssis.models.dpt_config import DPTConfig

TEST_VIT = "test_vit"  # patches of 16 pixels, six blocks, made for images of 160 pixels


def network(name: str = TEST_VIT, *, heads: int = 1, blocks: Any = None, **backbone: Any) -> DPT:
    torch.manual_seed(0)
    config = {
        "backbone": {"name": name, "weights": "none"} | backbone,
        "width": 16,
        "heads": heads,
        "blocks": blocks,
    }
    return DPT(DPTConfig.model_validate(config), 5).eval()


def canvases(*size: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 255, (*size[:1], 3, *size[1:]), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("name", [TEST_VIT, "vit_small_patch14_dinov2", "vit_small_patch16_dinov3"])
def test_logits_come_at_a_quarter_of_the_input(name: str) -> None:
    sizes = torch.tensor([[64, 96], [50, 70]])
    with torch.no_grad():
        output = network(name)(canvases(2, 64, 96), sizes)
    assert [tuple(logits.shape) for logits in output.logits] == [(2, 5, 16, 24)]
    assert tuple(output.features.shape) == (2, 16, 16, 24)
    assert output.logits[0].isfinite().all()


def test_two_heads_see_the_same_features() -> None:
    twice = network(heads=2)
    output = twice(canvases(1, 64, 64), torch.tensor([[64, 64]]))
    for head, logits in zip(twice.heads, output.logits, strict=True):
        torch.testing.assert_close(head(output.features), logits)


@pytest.mark.parametrize("name", [TEST_VIT, "vit_small_patch16_dinov3"])
def test_an_image_does_not_depend_on_its_canvas_or_its_neighbours(name: str) -> None:
    """Attention and positions are those of the image, whatever it lies on."""
    net, images = network(name), canvases(3, 96, 128)
    sizes = torch.tensor([[40, 50], [96, 128], [64, 33]])
    with torch.no_grad():
        together = net(images, sizes).logits[0]
        for place, (height, width) in enumerate(sizes.tolist()):
            alone = net(images[place : place + 1, :, :64, :64], sizes[place : place + 1])
            if max(height, width) <= 64:
                own = together[place, :, : height // 4, : width // 4]
                found = alone.logits[0][0, :, : height // 4, : width // 4]
                torch.testing.assert_close(found, own, atol=1e-5, rtol=1e-4)


def test_what_lies_beyond_an_image_is_not_seen() -> None:
    images, sizes = canvases(1, 64, 64), torch.tensor([[64, 40]])
    other = images.clone()
    other[..., 40:] = 9
    net = network()
    assert torch.equal(net(images, sizes).logits[0], net(other, sizes).logits[0])


def test_features_stand_where_the_image_shows_them() -> None:
    """A change in one corner of an image changes the logits of that corner most."""
    net, images, sizes = network(), canvases(1, 128, 128), torch.tensor([[128, 128]])
    other = images.clone()
    other[..., :16, 112:] = 255 - other[..., :16, 112:]
    with torch.no_grad():
        change = (net(images, sizes).logits[0] - net(other, sizes).logits[0]).abs().sum(dim=1)[0]
    row, column = divmod(int(change.argmax()), change.shape[1])
    assert row < 8 and column >= 24


def test_a_frozen_backbone_stands_still_and_the_rest_learns() -> None:
    net = network(frozen=True).train()
    assert not net.backbone.body.training
    net(canvases(2, 64, 64), torch.tensor([[64, 64]] * 2)).logits[0].sum().backward()
    for name, parameter in net.named_parameters():
        assert (parameter.grad is None) == name.startswith("backbone."), name


def test_everything_else_learns() -> None:
    net = network().train()
    net(canvases(2, 64, 64), torch.tensor([[64, 64]] * 2)).logits[0].square().sum().backward()
    assert [name for name, parameter in net.named_parameters() if parameter.grad is None] == []


def test_weights_of_a_file_are_kept_and_position_embeddings_resized(tmp_path: Path) -> None:
    torch.manual_seed(3)
    saved: Any = timm.create_model(TEST_VIT, pretrained=False, img_size=96)
    save_file(saved.state_dict(), tmp_path / "vit.safetensors")
    found = network(weights=str(tmp_path / "vit.safetensors")).backbone.body.state_dict()
    assert torch.equal(found["blocks.0.attn.qkv.weight"], saved.blocks[0].attn.qkv.weight)
    assert found["pos_embed"].shape[1] == 1 + (160 // 16) ** 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "resnet18"}, "the decoder dpt needs a plain vision transformer"),
        ({"name": "swin_tiny_patch4_window7_224"}, "the decoder dpt needs a plain vision"),
        ({"name": "vit_tinny"}, "'vit_tinny' is not a network of timm; near it: .*vit_tin"),
        ({"weights": "offline"}, "no weights offline; choose hub"),
        ({"weights": "missing.pth"}, "missing.pth: no such file"),
        ({"blocks": (1, 2, 3, 12)}, r"blocks \[1, 2, 3, 12\] are wanted, it has 0 to 5"),
    ],
)
def test_names_and_weights_that_do_not_fit_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        network(**options)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    other = timm.create_model(TEST_VIT, pretrained=False)
    save_file(other.state_dict(), tmp_path / "vit.safetensors")
    with pytest.raises(ValueError, match=r"tensors are missing .* made from another network"):
        network("test_vit2", weights=str(tmp_path / "vit.safetensors"))


def test_a_network_that_is_exported_takes_the_canvas_for_the_image() -> None:
    net, images, sizes = network(), canvases(1, 64, 64), torch.tensor([[64, 64]])

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, images: Tensor, sizes: Tensor) -> Tensor:
            found: Tensor = self.net(images, sizes).logits[0]
            return found

    with torch.no_grad():
        program = torch.export.export(Logits(), (images, sizes))
        torch.testing.assert_close(
            program.module()(images, sizes), net(images, sizes).logits[0], atol=1e-5, rtol=1e-4
        )
