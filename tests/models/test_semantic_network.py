"""The choice between the networks of a semantic segmenter."""

import json

import pytest
import torch
from upath import UPath

from ray_wssis.config import ConfigError, check_config
from ray_wssis.data.records import Category
from ray_wssis.models.deeplab_config import DeepLabConfig
from ray_wssis.models.dpt_config import DPTConfig
from ray_wssis.models.licence import licence_line, warn_of
from ray_wssis.models.model_folder import DESCRIPTION
from ray_wssis.models.semantic_network import create_network
from ray_wssis.semantic.learner import SemanticLearner
from ray_wssis.semantic.segmenter import SemanticSegmenter
from ray_wssis.semantic.segmenter_config import SemanticConfig, Views
from ray_wssis.training.config import TrainingConfig
from ray_wssis.training.schedule import build_optimizer
from tests.support.tiny_semantic import TINY

TINY_VIT = SemanticConfig.model_validate(
    {
        "network": {
            "decoder": "dpt",
            "backbone": {"name": "test_vit", "weights": "none"},
            "width": 16,
        },
        "shorter": 32,
        "longest": 64,
    }
)
CLASSES = tuple(Category(id=i + 1, name=name) for i, name in enumerate(("ground", "disc", "box")))


def test_the_decoder_tells_the_networks_apart() -> None:
    assert isinstance(TINY_VIT.network, DPTConfig)
    assert isinstance(TINY.network, DeepLabConfig)
    for config in (TINY, TINY_VIT):
        assert SemanticConfig.model_validate(config.model_dump(mode="json")) == config
        assert SemanticConfig.model_validate_json(config.model_dump_json()) == config


def test_a_configuration_without_a_decoder_is_deeplab() -> None:
    found = SemanticConfig.model_validate({"network": {"output_stride": 8}})
    assert found.network == DeepLabConfig(output_stride=8)


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ({"decoder": "dpd"}, r"network: unknown decoder; known are deeplab, dpt"),
        ({"decoder": "dpt", "widht": 8}, r"network.widht: unknown key, did you mean network.width"),
        ({"aspp_widht": 8}, r"network.aspp_widht: unknown key, did you mean network.aspp_width"),
        ({"decoder": "dpt", "backbone": {"frozen": 3}}, r"network.backbone.frozen: got 3"),
    ],
)
def test_what_is_wrong_is_named_by_its_key(network: object, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check_config(SemanticConfig, {"network": network}, "here")


@pytest.mark.parametrize("config", [TINY, TINY_VIT])
def test_a_saved_model_draws_the_same(config: SemanticConfig, tmp_path: object) -> None:
    folder, image = UPath(str(tmp_path)), torch.randint(0, 255, (30, 41, 3)).byte().numpy()
    segmenter = SemanticSegmenter(create_network(config.network, 3).eval(), config, CLASSES)
    segmenter.save(folder, "# a card\n")
    loaded = SemanticSegmenter.load(folder, torch.device("cpu"))
    assert loaded.config == config
    one, other = (
        found.draw([image], [(30, 41)], [None], Views())[0] for found in (segmenter, loaded)
    )
    assert (one.class_map == other.class_map).all()


def test_a_model_saved_before_there_was_a_choice_is_read(tmp_path: object) -> None:
    folder = UPath(str(tmp_path))
    SemanticSegmenter(create_network(TINY.network, 3).eval(), TINY, CLASSES).save(
        folder, "# card\n"
    )
    description = json.loads((folder / DESCRIPTION).read_text())
    del description["config"]["network"]["decoder"]
    (folder / DESCRIPTION).write_text(json.dumps(description))
    assert SemanticSegmenter.load(folder, torch.device("cpu")).config == TINY


@pytest.mark.parametrize("config", [TINY, TINY_VIT])
def test_backbone_neck_and_head_have_rates_of_their_own(config: SemanticConfig) -> None:
    learner = SemanticLearner(config, 3)
    groups = learner.parameter_groups()
    named = [id(parameter) for group in groups.values() for parameter in group]
    assert sorted(named) == sorted(map(id, learner.parameters()))
    factors = {"backbone": 0.1, "neck": 0.5, "head": 10.0}
    training = TrainingConfig(steps=1, batch_size=1, learning_rate=1, rate_factors=factors)
    found = {group["factor"] for group in build_optimizer(learner, training).param_groups}
    assert found == {1.0, *factors.values()}


@pytest.mark.parametrize(
    ("name", "weights", "said", "warns"),
    [
        ("vit_small_patch14_dinov2", "hub", "hub (their licence, apache-2.0, applies", False),
        ("vit_small_patch16_dinov3", "hub", "hub (licence dinov3-license, which restricts", True),
        ("vit_base_patch16_224.mae", "hub", "hub (licence cc-by-nc-4.0, which restricts", True),
        ("vit_small_patch16_dinov3", "none", "none: everything is trained here", False),
        ("resnet50", "/my/own.pth", "/my/own.pth (their licence applies beside", False),
    ],
)
def test_a_model_card_names_the_licence_of_the_weights(
    name: str, weights: str, said: str, warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    warn_of.cache_clear()
    assert licence_line(name, weights).startswith(said)
    assert ("read it before you publish" in caplog.text) is warns
