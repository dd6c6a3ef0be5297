"""IRNet's network: what it learns from a batch, what stays frozen, what a saved one sees."""

from pathlib import Path

import numpy as np
import pytest
import torch
from upath import UPath

from ray_wssis.data.class_maps.png import UNKNOWN
from ray_wssis.data.records import Category
from ray_wssis.methods.irn.config import IRNetConfig, IRNetModel
from ray_wssis.methods.irn.fields import Fields
from ray_wssis.methods.irn.learner import IMAGES, IRNetLearner, cells
from ray_wssis.methods.irn.network import IRNet
from ray_wssis.models.backbone_config import BackboneConfig
from ray_wssis.models.vision import timm
from tests.support.tiny_semantic import batch

TINY = IRNetModel(
    network=IRNetConfig(
        backbone=BackboneConfig(name="resnet18", weights="none", frozen=True),
        boundary_width=16,
        displacement_width=32,
    ),
    shorter=32,
    longest=64,
    radius=3,
)


def learner(**changes: object) -> IRNetLearner:
    torch.manual_seed(0)
    backbone = TINY.network.backbone.model_copy(update=changes)
    network = TINY.network.model_copy(update={"backbone": backbone})
    return IRNetLearner(TINY.model_copy(update={"network": network}), 0)


def test_both_losses_fall_on_one_batch_and_the_backbone_stays() -> None:
    model = learner().train()
    before = {key: value.clone() for key, value in model.network.backbone.state_dict().items()}
    images = batch(2, [[True, True]] * 2, 0)
    images.class_maps[:, :, :16], images.class_maps[:, :, 16:] = 0, 1
    trained = [value for value in model.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(trained, 0.01)
    losses = []
    for _ in range(12):
        found = model({IMAGES: images})
        total = torch.stack(list(found.values())).sum()
        optimizer.zero_grad()
        total.backward()
        assert all(value.grad is not None for value in trained)
        optimizer.step()
        losses.append({name: loss.item() for name, loss in found.items()})
    assert losses[-1]["boundary"] < 0.9 * losses[0]["boundary"]
    assert losses[-1]["displacement"] < 0.9 * losses[0]["displacement"]
    after = model.network.backbone.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    assert (model.network.mean_field != 0).all()


def test_a_backbone_that_is_not_frozen_learns() -> None:
    model = learner(frozen=False, frozen_stages=0).train()
    torch.stack(list(model({IMAGES: batch(2, [[True, True]] * 2, 0)}).values())).sum().backward()
    assert all(value.grad is not None for value in model.parameters())


def test_unknown_pixels_teach_nothing() -> None:
    images = batch(2, [[True, True]] * 2, 0)
    images.class_maps.fill_(UNKNOWN)
    assert all(loss == 0 for loss in learner()({IMAGES: images}).values())


def test_a_cell_has_the_label_of_its_middle() -> None:
    maps = torch.arange(64, dtype=torch.uint8).view(1, 8, 8)
    assert cells(maps).tolist() == [[[18, 22], [50, 54]]]


@pytest.mark.parametrize(
    ("name", "stride"),
    [("resnet18", 16), ("tf_efficientnet_lite0", 16), ("swin_tiny_patch4_window7_224", 32)],
)
def test_backbones_of_timm_fit(name: str, stride: int) -> None:
    config = TINY.network.model_copy(
        update={
            "backbone": BackboneConfig(name=name, weights="none"),
            "output_stride": stride,
        }
    )
    images = torch.zeros(1, 3, 64, 96, dtype=torch.uint8)
    seen = IRNet(config).eval()(images, torch.tensor([[64, 96]]))
    assert seen.boundary.shape == (1, 16, 24)
    assert seen.field.shape == (1, 2, 16, 24)


def test_a_backbone_without_fine_features_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    create = timm.create_model
    monkeypatch.setattr(
        timm, "create_model", lambda *args, **named: create(*args, **named, out_indices=(2, 3))
    )
    with pytest.raises(ValueError, match=r"strides \[8, 16\], wanted one at 4"):
        learner()


def test_a_saved_network_sees_the_same(tmp_path: Path) -> None:
    network = learner().network.eval()
    network.mean_field += torch.tensor([1.5, -2.0])
    fields = Fields(network, TINY)
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (32, 40, 3), dtype=np.uint8), np.zeros((30, 33, 3), np.uint8)]
    fields.save(UPath(tmp_path), (Category(id=0, name="background"),), "# card\n")
    seen = fields.see(images)
    again = Fields.load(UPath(tmp_path), torch.device("cpu")).see(images)
    for one, other in zip(seen, again, strict=True):
        assert torch.equal(one.boundary, other.boundary)
        assert torch.equal(one.displacement, other.displacement)
    assert [one.boundary.shape for one in seen] == [(8, 10), (8, 9)]
    network.mean_field.zero_()
    shift = fields.see(images)[0].displacement - seen[0].displacement
    assert torch.allclose(shift.mean(dim=(1, 2)), torch.tensor([1.5, -2.0]), atol=1e-5)


def test_boundaries_of_a_mirror_image_are_mirrored() -> None:
    fields = Fields(learner().network.eval(), TINY)
    image = np.random.default_rng(1).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    plain, mirrored = fields.see([image, image[:, ::-1]])
    assert torch.allclose(plain.boundary, mirrored.boundary.flip(-1), atol=1e-6)
