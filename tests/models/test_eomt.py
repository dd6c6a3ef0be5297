"""EoMT with tiny random weights."""

from pathlib import Path

import pytest
import torch

from ray_wssis.models.eomt import EoMT, create_model
from ray_wssis.models.eomt_config import EoMTConfig
from ray_wssis.models.queries import QueryOutput
from tests.support.query_inputs import images, instances
from tests.support.tiny_eomt import TINY_EOMT

pytest.importorskip("transformers")
pytest.importorskip("scipy")


def network(num_classes: int = 3) -> EoMT:
    torch.manual_seed(0)
    return EoMT(TINY_EOMT, num_classes)


def test_an_image_does_not_depend_on_its_canvas_or_its_neighbours() -> None:
    net = network().eval()
    (both, sizes), (alone, size) = images((60, 96), (96, 90)), images((60, 96))
    with torch.no_grad():
        together, single = net(both, sizes), net(alone, size)
    assert single.class_scores.shape == (1, 10, 3)
    assert single.mask_logits.shape == (1, 10, 24, 24)
    torch.testing.assert_close(together.class_scores[:1], single.class_scores)
    torch.testing.assert_close(together.mask_logits[:1], single.mask_logits, atol=1e-4, rtol=1e-4)


def test_it_learns_the_objects_of_two_images() -> None:
    net = network().train()
    pixels, sizes = images((96, 96), (96, 96))
    truth = instances((0, 2), (1, 0))
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3)
    losses = []
    for _ in range(12):
        torch.manual_seed(0)
        loss = net.loss(pixels, sizes, truth, None)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]
    assert net.model.attn_mask_probs == [0.0]  # only the loss hides tokens from queries


def test_images_without_objects_teach_that_there_are_none() -> None:
    net = network().train()
    pixels, sizes = images((96, 96))
    loss = net.loss(pixels, sizes, instances(), None)
    loss.backward()
    assert loss.isfinite()


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


def test_published_weights_are_taken_but_for_the_classes(tmp_path: Path) -> None:
    create_model(TINY_EOMT, 7).save_pretrained(tmp_path)
    torch.manual_seed(5)
    config = TINY_EOMT.model_copy(update={"weights": str(tmp_path)})
    first, second = (EoMT(config, 3).model for _ in range(2))
    assert torch.equal(first.query.weight, second.query.weight)
    assert first.class_predictor.out_features == 4
    wider = config.model_copy(update={"queries": 12})
    with pytest.raises(ValueError, match=r"1 tensors are missing .* query.weight.*config\.json"):
        EoMT(wider, 3)
    with pytest.raises(ValueError, match="nothing cannot be loaded"):
        EoMT(config.model_copy(update={"weights": str(tmp_path / "nothing")}), 3)


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="query_layers is 3, it must be below layers, 3"):
        EoMTConfig(layers=3, query_layers=3)
    with pytest.raises(ValueError, match="a multiple of heads"):
        EoMTConfig(width=10, heads=4)


def test_the_output_is_in_the_places_of_the_masks() -> None:
    output = network().eval()(*images((64, 96)))
    assert isinstance(output, QueryOutput)
    assert output.mask_logits.shape[-1] * 4 == TINY_EOMT.side
