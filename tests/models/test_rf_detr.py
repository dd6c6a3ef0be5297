"""RF-DETR with tiny random weights."""

from pathlib import Path

import pytest
import torch

from ray_wssis.models.rf_detr import RFDETR, boxes_of, create_model
from ray_wssis.models.rf_detr_config import RFDETRConfig
from tests.support.query_inputs import images, instances
from tests.support.tiny_rf_detr import TINY_RF_DETR

pytest.importorskip("transformers")
pytest.importorskip("scipy")


def network(num_classes: int = 3) -> RFDETR:
    torch.manual_seed(0)
    return RFDETR(TINY_RF_DETR, num_classes)


def test_an_image_does_not_depend_on_its_canvas_or_its_neighbours() -> None:
    net = network().eval()
    (both, sizes), (alone, size) = images((60, 96), (96, 90)), images((60, 96))
    with torch.no_grad():
        together, single = net(both, sizes), net(alone, size)
    assert single.class_scores.shape == (1, 10, 3)
    assert single.mask_logits.shape == (1, 10, 24, 24)
    torch.testing.assert_close(together.class_scores[:1], single.class_scores)
    torch.testing.assert_close(together.mask_logits[:1], single.mask_logits, atol=1e-4, rtol=1e-4)


def test_a_canvas_may_be_larger_than_the_side_by_its_padding() -> None:
    net = RFDETR(TINY_RF_DETR.model_copy(update={"side": 80, "patch": 10}), 3).eval()
    pixels, sizes = images((80, 70))  # on a canvas of 96 x 96
    found = net(pixels, sizes)
    assert pixels.shape[-2:] == (96, 96) and found.mask_logits.shape[-2:] == (20, 20)
    assert net.loss(pixels, sizes, instances((0, 1)), None).isfinite()


def test_it_learns_the_objects_of_two_images() -> None:
    net = network().train()
    pixels, sizes = images((96, 96), (96, 96))
    truth = instances((0, 2), (1, 0))
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3)
    losses = []
    for _ in range(10):
        torch.manual_seed(0)
        loss = net.loss(pixels, sizes, truth, None)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("objects", [[], [(0, 1)]])
def test_every_weight_takes_part_whatever_the_images_show(objects: list[tuple[int, int]]) -> None:
    net = network().train()
    loss = net.loss(*images((96, 96), (96, 64)), instances(*objects), None)
    loss.backward()
    assert loss.isfinite() and loss.ndim == 0
    without = [name for name, each in net.named_parameters() if each.grad is None]
    assert not without  # workers that share a training wait for the gradients of all


def test_an_object_without_a_pixel_is_not_learnt() -> None:
    net = network().train()
    pixels, sizes = images((96, 96))
    truth = instances((0, 1), (0, 2))
    truth.masks[1] = 0
    losses = []
    for objects in (truth, instances((0, 1))):
        torch.manual_seed(0)
        losses.append(net.loss(pixels, sizes, objects, None).item())
    assert losses[0] == losses[1]


def test_nothing_is_learnt_about_what_ignore_regions_show() -> None:
    net = network().train()
    pixels, sizes = images((96, 96))
    ignored = torch.zeros(1, 24, 24, dtype=torch.bool)
    ignored[:, 20:, 20:] = True
    other = pixels.clone()
    other[:, :, 80:, 80:] = 255
    losses = []
    for shown in (pixels, other):
        torch.manual_seed(0)
        losses.append(net.loss(shown, sizes, instances((0, 1)), ignored).item())
    assert losses[0] == losses[1]


def test_boxes_are_around_the_pixels_of_masks() -> None:
    masks = torch.zeros(2, 10, 10)
    masks[0, 2:5, 1:9] = 1
    masks[1, 9, 0] = 1
    expected = torch.tensor([[0.5, 0.35, 0.8, 0.3], [0.05, 0.95, 0.1, 0.1]])
    torch.testing.assert_close(boxes_of(masks), expected)
    assert boxes_of(masks[:0]).shape == (0, 4)


def test_published_weights_are_taken_but_for_the_classes(tmp_path: Path) -> None:
    create_model(TINY_RF_DETR, 7).save_pretrained(tmp_path)
    torch.manual_seed(5)
    config = TINY_RF_DETR.model_copy(update={"weights": str(tmp_path)})
    first, second = (RFDETR(config, 3).model for _ in range(2))
    assert torch.equal(first.model.model.query_feat.weight, second.model.model.query_feat.weight)
    assert first.model.class_embed.out_features == 3
    more = config.model_copy(update={"queries": 12})
    with pytest.raises(ValueError, match=r"tensors are missing .* sizes of rf_detr .*config\.json"):
        RFDETR(more, 3)
    with pytest.raises(ValueError, match="nothing cannot be loaded"):
        RFDETR(config.model_copy(update={"weights": str(tmp_path / "nothing")}), 3)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"side": 100}, "a multiple of patch times windows, 24"),
        ({"width": 100}, "a multiple of heads"),
        ({"looked_at": (3, 13)}, "give numbers of layers, 1 to 12"),
        ({"side": 96}, "more than the 64 tokens"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(sizes: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        RFDETRConfig.model_validate(sizes)
