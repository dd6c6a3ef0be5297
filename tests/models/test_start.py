import logging
import re
from pathlib import Path

import pytest
import torch
from torch import nn
from upath import UPath

from ray_wssis.models.model_folder import FILES, hash_start, save_model
from ray_wssis.models.start import load_start


def network(num_classes: int) -> nn.ModuleDict:
    return nn.ModuleDict({"body": nn.Linear(4, 3), "head": nn.Linear(3, num_classes)})


@pytest.fixture
def folder(tmp_path: Path) -> UPath:
    torch.manual_seed(0)
    found = UPath(tmp_path / "model")
    save_model(found, network(5), {"kind": "toy"}, "# toy\n")
    return found


def test_a_network_of_the_same_shape_starts_as_the_model_is(
    folder: UPath, caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(0)
    saved, started = network(5), network(5)
    load_start(started, folder)
    for name, value in saved.state_dict().items():
        assert torch.equal(started.state_dict()[name], value)
    assert not caplog.records


def test_weights_that_do_not_fit_are_kept_and_named(
    folder: UPath, caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(0)
    saved, started = network(5), network(2)
    started["neck"] = nn.Linear(3, 3, bias=False)
    before = {name: value.clone() for name, value in started.state_dict().items()}
    with caplog.at_level(logging.WARNING):
        load_start(started, folder)
    after = started.state_dict()
    assert torch.equal(after["body.weight"], saved.state_dict()["body.weight"])
    assert torch.equal(after["body.bias"], saved.state_dict()["body.bias"])
    for name in ("head.weight", "head.bias", "neck.weight"):
        assert torch.equal(after[name], before[name])
    assert caplog.messages == [
        f"start: 2 of 5 weights come from {folder}; head.weight (2, 3) is (5, 3) there, "
        "head.bias (2,) is (5,) there, neck.weight is missing there"
    ]


def test_a_model_of_which_nothing_fits_is_refused(folder: UPath) -> None:
    other = nn.ModuleDict({f"layer{place}": nn.Linear(2, 2, bias=False) for place in range(4)})
    message = (
        f"start: none of the 4 weights in {folder} fits this network by name and shape; "
        "layer0.weight is missing there, layer1.weight is missing there, "
        "layer2.weight is missing there, layer3.weight is missing there, "
        "body.bias is unknown here, and 3 more"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        load_start(other, folder)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    for look in (hash_start, lambda folder: load_start(network(5), folder)):
        with pytest.raises(ValueError, match=r"model\.safetensors, so this is not a model folder$"):
            look(UPath(tmp_path))


def test_the_hash_of_a_start_is_that_of_its_content(folder: UPath, tmp_path: Path) -> None:
    assert hash_start(None) == {}
    copy = UPath(tmp_path / "copy")
    copy.mkdir()
    for name in FILES:
        (copy / name).write_bytes((folder / name).read_bytes())
    assert hash_start(copy) == hash_start(str(folder))
    save_model(copy, network(5), {"kind": "toy"}, "# toy\n")
    assert hash_start(copy) != hash_start(folder)
