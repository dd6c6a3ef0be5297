"""Published weights under our names; the recorded logits (skipped without the recordings)."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch

from ray_wssis.methods.point_wssis.refiner import Refiner
from ray_wssis.models.published.weights import (
    REFINER_NAMES,
    SEGMENTER_NAMES,
    published_name,
    refiner_config_from_published,
    refiner_from_published,
    refiner_num_classes_from_published,
    renamed,
    segmenter_config_from_published,
    segmenter_from_published,
    segmenter_num_classes_from_published,
)
from ray_wssis.models.solov2 import SOLOv2
from tests.support.recordings import PARITY, imported_model

RECORDINGS = sorted(PARITY.glob("maskrefinenet_seed*.npz"))


@pytest.mark.slow
@pytest.mark.skipif(not RECORDINGS, reason=f"no recordings in {PARITY}")
@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.stem)
def test_logits_are_those_of_the_published_network(recording: Path) -> None:
    with TemporaryDirectory() as place:
        model = imported_model(recording, Path(place))
        network = Refiner.load(model, torch.device("cpu")).network

    recorded = np.load(recording)
    numbers = [key.removeprefix("logits_") for key in recorded if key.startswith("logits_")]
    for n in numbers:
        with torch.inference_mode():
            logits = network(
                torch.from_numpy(recorded[f"rgb_{n}"])[None],
                torch.from_numpy(recorded[f"rough_mask_{n}"])[None],
                torch.from_numpy(recorded[f"point_xy_{n}"])[None] + 0.5,  # whole pixel numbers
                torch.from_numpy(recorded[f"heat_channel_{n}"])[None] - 1,  # label k, channel k + 1
            )[0].numpy()
        expected = recorded[f"logits_{n}"]
        assert np.abs(logits - expected).max() < 1e-4 * np.abs(expected).max()


def test_published_names_are_those_that_were_published() -> None:
    """Pairs written down by hand, in both directions."""
    for published, ours in {
        "backbone.bottom_up.stem.conv1.weight": "backbone.body.conv1.weight",
        "backbone.bottom_up.stem.conv1.norm.bias": "backbone.body.bn1.bias",
        "backbone.bottom_up.res2.0.shortcut.weight": "backbone.body.layer1.0.downsample.0.weight",
        "backbone.bottom_up.res5.0.shortcut.norm.running_var": (
            "backbone.body.layer4.0.downsample.1.running_var"
        ),
        "backbone.bottom_up.res4.22.conv3.weight": "backbone.body.layer3.22.conv3.weight",
        "backbone.bottom_up.res3.1.conv2.norm.weight": "backbone.body.layer2.1.bn2.weight",
        "backbone.fpn_lateral2.bias": "pyramid.fpn.inner_blocks.0.0.bias",
        "backbone.fpn_output5.weight": "pyramid.fpn.layer_blocks.3.0.weight",
        "ins_head.cate_tower.9.weight": "instance_head.class_tower.3.0.weight",
        "ins_head.kernel_tower.4.bias": "instance_head.kernel_tower.1.1.bias",
        "ins_head.cate_pred.bias": "instance_head.class_out.bias",
        "ins_head.kernel_pred.weight": "instance_head.kernel_out.weight",
        "mask_head.convs_all_levels.0.conv0.0.weight": "mask_head.levels.0.0.0.weight",
        "mask_head.convs_all_levels.3.conv2.1.bias": "mask_head.levels.3.4.1.bias",
        "mask_head.conv_pred.1.weight": "mask_head.out.1.weight",
    }.items():
        assert renamed(published, SEGMENTER_NAMES, "") == ours
        assert published_name(ours, SEGMENTER_NAMES) == published
    for published, ours in {
        "layer0.1.running_mean": "encoder.bn1.running_mean",
        "layer1.1.0.downsample.0.weight": "encoder.layer1.0.downsample.0.weight",
        "layer3.22.bn3.weight": "encoder.layer3.22.bn3.weight",
        "aspp.convs.0.1.0.weight": "aspp.whole.0.weight",
        "aspp.convs.1.1.bias": "aspp.local.1.bias",
        "aspp.convs.4.0.weight": "aspp.dilated.2.0.weight",
        "aspp.project.0.weight": "aspp.project.0.weight",
        "decoder_3.conv.0.0.weight": "decoder.0.join.0.weight",
        "decoder_0.conv.1.1.bias": "decoder.3.smooth.1.bias",
        "head.bias": "head.bias",
    }.items():
        assert renamed(published, REFINER_NAMES, "") == ours
        assert published_name(ours, REFINER_NAMES) == published


def test_a_number_out_of_its_count_fits_nothing() -> None:
    for key in ("ins_head.cate_tower.2.weight", "backbone.fpn_output1.bias", "decoder_4.conv.0."):
        names = REFINER_NAMES if key.startswith("decoder") else SEGMENTER_NAMES
        with pytest.raises(ValueError, match=f"{key} is in no published network"):
            renamed(key, names, "SOLOv2")


def test_the_numbers_of_the_network_are_read_from_its_weights() -> None:
    state = {
        "layer0.0.weight": torch.zeros(64, 13, 7, 7),
        "aspp.project.0.weight": torch.zeros(128, 640, 1, 1),
        **{f"layer3.{block}.conv1.weight": torch.zeros(1) for block in range(6)},
        **{
            f"decoder_{step}.conv.1.0.weight": torch.zeros(width, 1, 3, 3)
            for step, width in ((3, 64), (2, 48), (1, 32), (0, 16))
        },
    }
    config = refiner_config_from_published(state)
    assert refiner_num_classes_from_published(state) == 8
    assert (config.encoder, config.aspp_width) == ("resnet50", 128)
    assert config.decoder_widths == (64, 48, 32, 16)


def test_a_foreign_state_dict_is_refused() -> None:
    with pytest.raises(ValueError, match="no first layer"):
        refiner_from_published({"fc.weight": torch.zeros(10, 5)})
    with pytest.raises(ValueError, match="0 blocks in layer3"):
        refiner_config_from_published({"layer0.0.weight": torch.zeros(64, 85, 7, 7)})
    with pytest.raises(ValueError, match=r"fc\.weight is in no published network"):
        refiner_from_published(
            {"layer0.0.weight": torch.zeros(64, 85, 7, 7), "fc.weight": torch.zeros(1)}
        )


KEYS = sorted((PARITY.parent / "checkpoint_keys").glob("keys_solov2_*.tsv"))


def published_tensors(table: Path) -> dict[str, torch.Tensor]:
    """Tensors without content, of the names and shapes of a published checkpoint."""
    rows = (line.split("\t") for line in table.read_text().splitlines())
    return {
        key: torch.empty([int(side) for side in re.findall(r"\d+", shape)], device="meta")
        for key, shape in rows
    }


@pytest.mark.skipif(not KEYS, reason=f"no tables of names beside {PARITY}")
@pytest.mark.parametrize("table", KEYS, ids=lambda path: path.stem)
def test_every_published_segmenter_tensor_has_its_place_and_none_is_missing(table: Path) -> None:
    state = published_tensors(table)
    config = segmenter_config_from_published(state, (80, 64, 32, 24, 12))
    assert config.backbone.name == table.stem.removeprefix("keys_solov2_").replace("r", "resnet")
    assert config.grids == (80, 64, 32, 24, 12)
    with torch.device("meta"):
        network = SOLOv2(config, segmenter_num_classes_from_published(state))
    ours = segmenter_from_published(state)
    assert {key: value.shape for key, value in ours.items()} == {
        key: value.shape for key, value in network.state_dict().items()
    }


def test_a_foreign_segmenter_is_refused() -> None:
    with pytest.raises(ValueError, match=r"fc\.weight is in no published network"):
        segmenter_from_published({"fc.weight": torch.zeros(10, 5)})
    with pytest.raises(ValueError, match=r"no first layer backbone\.bottom_up\.stem"):
        segmenter_from_published({"ins_head.cate_pred.bias": torch.zeros(80)})
    with pytest.raises(ValueError, match="0 blocks in res4"):
        segmenter_config_from_published({}, (40, 36, 24, 16, 12))
