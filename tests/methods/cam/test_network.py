"""Every regulariser trains all that it has, and its network is saved and loaded."""

from pathlib import Path

import numpy as np
import pytest
import torch
from upath import UPath

from ray_wssis.data.records import Category
from ray_wssis.methods.cam.config import ClassifierStage
from ray_wssis.methods.cam.learner import TAGGED, ClassifierLearner
from ray_wssis.methods.cam.maps import ActivationMaps
from ray_wssis.models.model_folder import describe, save_model
from ray_wssis.semantic.segmenter_config import Views
from tests.support.tiny_cam import STAGE
from tests.support.tiny_semantic import batch

CATEGORIES = (Category(id=0, name="background"), Category(id=1, name="a"), Category(id=2, name="b"))
NAMES = [None, "puzzle", "seam", "drs", "fickle", "icd", "group"]
BATCH = batch(4, [[True, True, False], [True, False, True], [True, True, True], [True] * 3], 0)
KIND = "classifier"


def stage_of(name: str | None) -> ClassifierStage:
    values = STAGE.model_dump()
    values["model"]["regulariser"] = None if name is None else {"name": name}
    return ClassifierStage.model_validate(values)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_learns_and_the_saved_network_draws_alike(
    name: str | None, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    stage = stage_of(name)
    learner = ClassifierLearner(stage, 3, 0).train()
    losses = learner({TAGGED: BATCH})
    torch.stack(list(losses.values())).sum().backward()
    for key, value in learner.named_parameters():
        assert (value.grad is not None) == value.requires_grad, key
    text = describe(KIND, stage.model, CATEGORIES)
    save_model(UPath(tmp_path), learner.network, text, "a card")
    loaded = ActivationMaps.load(UPath(tmp_path), torch.device("cpu"))
    images = [np.random.default_rng(0).integers(0, 256, (32, 40, 3), np.uint8)]
    (expected,) = ActivationMaps(learner.network, stage.model, CATEGORIES).draw(
        images, [None], Views()
    )
    assert torch.equal(loaded.draw(images, [None], Views())[0], expected)


def test_an_unknown_regulariser_is_refused() -> None:
    with pytest.raises(ValueError, match="puzzle"):
        stage_of("jigsaw")
