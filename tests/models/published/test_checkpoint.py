"""Allowed contents of a checkpoint file, none of which is run."""

import io
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor
from upath import UPath

from ray_wssis.models.published.checkpoint import read_checkpoint

STATE = {
    "layer.weight": torch.arange(6.0).view(2, 3) / 8,
    "layer.bias": torch.tensor([0.5, -0.25]),
    "layer.num_batches_tracked": torch.tensor(5),
}


class Runs:
    """An object whose pickle runs a command of the shell."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


def read(file: Path, content: Any, **options: Any) -> dict[str, Tensor]:
    torch.save(content, file, **options)
    return read_checkpoint(UPath(file))


def assert_is_the_state(found: dict[str, Tensor]) -> None:
    assert list(found) == list(STATE)
    for key, value in STATE.items():
        assert found[key].dtype == value.dtype
        assert torch.equal(found[key], value)


def test_the_state_dict_is_the_whole_file_or_has_a_known_key(tmp_path: Path) -> None:
    file = tmp_path / "a.pth"
    beside = {"iteration": 269_999, "best_AP": np.float64(0.25), "__author__": "somebody"}
    for content in (
        STATE,
        OrderedDict(STATE),
        {"model": STATE, "optimizer": {"state": {0: torch.ones(2)}}, **beside},
        {"model_state": STATE, "epoch": 3, "last_itr": 199_999, **beside},
        {"model": {key: torch.nn.Parameter(v) if v.ndim else v for key, v in STATE.items()}},
    ):
        assert_is_the_state(read(file, content))
    assert not any(value.requires_grad for value in read_checkpoint(UPath(file)).values())


def test_files_of_old_versions_of_torch_are_read(tmp_path: Path) -> None:
    found = read(tmp_path / "old.pth", {"model": STATE}, _use_new_zipfile_serialization=False)
    assert_is_the_state(found)


def test_arrays_are_read_as_tensors(tmp_path: Path) -> None:
    arrays = {key: value.numpy() for key, value in STATE.items()}
    file = tmp_path / "a.pth"
    assert_is_the_state(read(file, {"model": arrays}))
    assert_is_the_state(
        read(file, {key: v.astype(v.dtype.str.replace("<", ">")) for key, v in arrays.items()})
    )


def test_arrays_of_numpy_1_are_read(tmp_path: Path) -> None:
    """Its module had another name, which is in the file."""
    made = io.BytesIO()
    array = STATE["layer.weight"].numpy()
    torch.save({"layer.weight": array}, made, _use_new_zipfile_serialization=False)
    now, then = b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"
    assert now in made.getvalue()
    (tmp_path / "a.pth").write_bytes(made.getvalue().replace(now, then))
    found = read_checkpoint(UPath(tmp_path / "a.pth"))
    assert torch.equal(found["layer.weight"], STATE["layer.weight"])


def test_floating_numbers_become_float32(tmp_path: Path) -> None:
    for kind in (torch.float16, torch.bfloat16, torch.float64):
        state = {key: v.to(kind) if v.ndim else v for key, v in STATE.items()}
        assert_is_the_state(read(tmp_path / "a.pth", state))
    halves = {"layer.weight": STATE["layer.weight"].numpy().astype(np.float16)}
    assert read(tmp_path / "a.pth", halves)["layer.weight"].dtype == torch.float32


def test_safetensors_are_read(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    file.write_bytes(safetensors.torch.save(STATE))
    found = read_checkpoint(UPath(file))
    assert_is_the_state({key: found[key] for key in STATE})
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(ValueError, match="damaged"):
        read_checkpoint(UPath(file))


@pytest.mark.parametrize("container", ["zip", "legacy", "pickle"])
@pytest.mark.parametrize("place", ["model", "beside", "instead"])
def test_a_file_that_runs_a_command_is_refused_and_runs_nothing(
    tmp_path: Path, container: str, place: str
) -> None:
    marker = tmp_path / "was_run"
    bad = Runs(f"touch {marker}")
    content = {
        "model": {"model": {"layer.weight": bad}},
        "beside": {"optimizer": bad, "model": STATE},
        "instead": bad,
    }[place]
    file = tmp_path / "bad.pth"
    if container == "pickle":
        file.write_bytes(pickle.dumps(content, protocol=2))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=container == "zip")
    with pytest.raises(ValueError, match=r"asks for (posix|nt)\.system") as caught:
        read_checkpoint(UPath(file))
    assert "weights_only" not in str(caught.value)
    assert not marker.exists()
    if container == "pickle":
        pickle.loads(file.read_bytes())
    else:
        torch.load(file, weights_only=False)
    assert marker.exists()  # so it does run where it may


def test_arrays_of_anything_but_numbers_are_refused(tmp_path: Path) -> None:
    marker = tmp_path / "was_run"
    before = torch.serialization.get_safe_globals()
    for value in (
        np.array([Runs(f"touch {marker}")], dtype=object),
        np.array([[1], None], dtype=object),
        np.array([1], dtype=[("a", "i4")]),
        np.array(["text"]),
        np.array([True]),
        UPath("/"),
    ):
        with pytest.raises(ValueError, match=r"asks for|damaged"):
            read(tmp_path / "a.pth", {"layer.weight": value})
    assert not marker.exists()
    assert torch.serialization.get_safe_globals() == before


def test_a_file_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "whole.pth"
    for zipped in (True, False):
        assert_is_the_state(read(file, {"model": STATE}, _use_new_zipfile_serialization=zipped))
        whole = file.read_bytes()
        for size in (0, 1, 10, len(whole) // 2, len(whole) * 9 // 10, len(whole) - 1):
            short = tmp_path / "short.pth"
            short.write_bytes(whole[:size])
            with pytest.raises(ValueError, match=r"short\.pth: not a checkpoint, or a damaged one"):
                read_checkpoint(UPath(short))


def test_files_of_other_kinds_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.pth"
    file.write_text("a page that says: 404 not found\n" * 20)
    with pytest.raises(ValueError, match="not a checkpoint"):
        read_checkpoint(UPath(file))
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ValueError, match="not a checkpoint"):
        read_checkpoint(UPath(file))
    file.write_bytes(pickle.dumps({"model": {"w": [1.0]}}, protocol=4))
    with pytest.raises(ValueError, match="not a checkpoint"):
        read_checkpoint(UPath(file))
    with pytest.raises(ValueError, match="there is no such file"):
        read_checkpoint(UPath(tmp_path / "none.pth"))
    with pytest.raises(ValueError, match="there is no such file"):
        read_checkpoint(UPath(tmp_path))


@pytest.mark.filterwarnings("ignore:Validating sparse tensor")
def test_what_is_no_state_dict_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.pth"
    for content, problem in (
        ([torch.ones(2)], "holds a list, wanted a state dict, or one under model or model_state"),
        (torch.ones(2), "holds a Tensor"),
        ({"model": [torch.ones(2)]}, "model is a list, wanted a tensor"),
        ({"epoch": 3}, "epoch is a int, wanted a tensor"),
        ({"layer.weight": torch.ones(2, dtype=torch.complex64)}, r"is a torch\.complex64 Tensor"),
        ({"layer.weight": torch.ones(2, 2).to_sparse()}, "wanted a tensor of floating numbers"),
        ({"layer.weight": torch.ones(2, device="meta")}, "wanted a tensor of floating numbers"),
    ):
        with pytest.raises(ValueError, match=problem):
            read(file, content)
