"""One image drawn: two touching discs of a class become two instances and one region."""

import numpy as np
import pytest
import torch

from ray_wssis.data.records import Category, Object, Record, Records
from ray_wssis.masks import encode
from ray_wssis.methods.irn.config import InstancesConfig, IRNetLabels, WalkConfig
from ray_wssis.methods.irn.drawing import draw
from ray_wssis.methods.irn.fields import Seen
from ray_wssis.methods.irn.found import figures_of
from tests.methods.irn.test_instances import HEIGHT, WIDTH, discs, true_boundary, true_field

SIZE = (4 * HEIGHT, 4 * WIDTH)
LABELS = IRNetLabels(walk=WalkConfig(steps=64), instances=InstancesConfig())


def maps() -> torch.Tensor:
    """Activation maps of background, of the discs' class and of one that is not there."""
    both = discs()[0] | discs()[1]
    return torch.stack([torch.zeros_like(both), both, torch.zeros_like(both)]).float()


def test_a_class_map_and_instances() -> None:
    drawn = draw(maps(), Seen(true_boundary(), true_field()), SIZE, 0, LABELS)
    assert drawn.class_map.shape == drawn.confidence.shape == SIZE
    assert set(np.unique(drawn.class_map)) == {0, 1}
    assert [found.label for found in drawn.instances] == [1, 1]
    truth = (discs()[0] | discs()[1]).repeat_interleave(4, 0).repeat_interleave(4, 1).numpy()
    assert ((drawn.class_map == 1) & truth).sum() / ((drawn.class_map == 1) | truth).sum() > 0.75


def test_without_any_activation_there_is_background_alone() -> None:
    drawn = draw(torch.zeros(3, 5, 7), Seen(true_boundary(), true_field()), SIZE, 0, LABELS)
    assert (drawn.class_map == 0).all()
    assert drawn.instances == []


def test_without_a_background_class_every_pixel_has_a_class() -> None:
    drawn = draw(maps(), Seen(true_boundary(), true_field()), SIZE, None, LABELS)
    assert (drawn.class_map == 1).all()


def test_figures_of_perfect_and_of_merged_instances() -> None:
    masks = [disc.numpy() for disc in discs()]
    objects = tuple(
        Object(annotation_id=i, label=0, mask=encode(mask)) for i, mask in enumerate(masks, 1)
    )
    record = Record(image_id=1, file="a", width=WIDTH, height=HEIGHT, objects=objects)
    truth = Records.from_rows([record], [Category(id=1, name="disc")])

    def row(*drawn: np.ndarray) -> dict[str, object]:
        return {
            "image_id": 1,
            "error": None,
            "instance_label": [1] * len(drawn),
            "instance_score": [0.9] * len(drawn),
            "instance_mask": [encode(mask) for mask in drawn],
        }

    perfect = figures_of(truth, [row(*masks)], {1: 0})
    assert (perfect["AP"], perfect["mIoU"], perfect["recall"]) == (100, 100, 100)
    assert (perfect["merged"], perfect["split"]) == (0, 0)
    merged = figures_of(truth, [row(masks[0] | masks[1])], {1: 0})
    assert merged["merged"] == 100
    assert merged["mIoU"] == pytest.approx(50, abs=2)
    failed = figures_of(truth, [{"image_id": 1, "error": "no image"}], {1: 0})
    assert (failed["instances"], failed["mIoU"], failed["precision"]) == (0, 0, None)
