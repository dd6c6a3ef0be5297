import re
from pathlib import Path

import pytest
import torch

from ray_wssis.models.published.segmenter import (
    segmenter_config_from_published,
    segmenter_from_published,
    segmenter_num_classes_from_published,
)
from ray_wssis.models.solov2 import SOLOv2
from tests.support.recordings import PARITY

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
