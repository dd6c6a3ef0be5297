"""Published MaskRefineNet weights: the recorded logits are skipped without the recordings."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch

from ray_wssis.methods.point_wssis.refiner import Refiner
from ray_wssis.models.published.refiner import (
    refiner_config_from_published,
    refiner_from_published,
    refiner_num_classes_from_published,
)
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
