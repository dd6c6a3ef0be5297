"""Checkpoint files of unknown origin: their tensors are read, and no code in them is run.

A file of PyTorch is a pickle, and a pickle may call anything.  Here it may build tensors, plain
containers and NumPy's arrays and numbers; a file that asks for anything else is refused before it
gets it.
"""

import re
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor
from upath import UPath

STATE_KEYS = ("model", "model_state")  # where a SOLOv2 and a MaskRefineNet keep their state dict
NUMBERS = (np.float16, np.float32, np.float64, np.int32, np.int64)


def read_checkpoint(file: UPath) -> dict[str, Tensor]:
    """Read the tensors in a file by name, on the CPU, floating ones as float32.

    The state dict is the whole file or lies under `model` or `model_state`; what is beside it, as
    an optimiser, is left out.  The file is of `torch.save` or ends in `.safetensors`.  Raises
    ValueError for all other files.
    """
    if not file.is_file():
        raise ValueError(f"{file}: there is no such file")
    content = read_content(file)
    for key in STATE_KEYS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict):
        raise ValueError(
            f"{file}: holds a {type(content).__name__}, wanted a state dict, or one under "
            f"{' or '.join(STATE_KEYS)}"
        )
    return {str(key): as_tensor(value, f"{file}: {key}") for key, value in content.items()}


def read_content(file: UPath) -> Any:
    """Load the content of the file, of allowed kinds only."""
    with file.open("rb") as stream:
        try:
            if file.suffix == ".safetensors":
                return safetensors.torch.load(stream.read())
            with torch.serialization.safe_globals(numpy_builders()):
                return torch.load(stream, map_location="cpu", weights_only=True)
        except Exception as error:  # broken and hostile files fail in any way they like
            refused = re.search(r"GLOBAL (\S+)", str(error))
            if refused:
                raise ValueError(
                    f"{file}: not read, because it asks for {refused[1]}; a checkpoint may hold "
                    f"nothing but tensors, arrays, numbers and text"
                ) from error
            raise ValueError(
                f"{file}: not a checkpoint, or a damaged one; wanted a whole file of torch.save, "
                f"or one that ends in .safetensors"
            ) from error


def numpy_builders() -> list[Any]:
    """Return the functions that a pickle needs for arrays and numbers, named by NumPy 1 and 2."""
    array, number = (value.__reduce__()[0] for value in (np.empty(0), np.float64(0)))
    return [
        *((array, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
        *((number, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
        np.ndarray,
        np.dtype,
        *(type(np.dtype(kind)) for kind in NUMBERS),
    ]


def as_tensor(value: Any, where: str) -> Tensor:
    """Convert a tensor or array to float32 or int64; raise ValueError, with `where`, otherwise."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "fi":
        kind = np.float32 if value.dtype.kind == "f" else np.int64
        value = torch.from_numpy(value.astype(kind, order="C"))
    if (
        not isinstance(value, Tensor)
        or not (value.is_floating_point() or value.dtype == torch.int64)
        or (value.layout, value.device.type) != (torch.strided, "cpu")
    ):
        what = f"{value.dtype} " if isinstance(value, Tensor | np.ndarray) else ""
        raise ValueError(
            f"{where} is a {what}{type(value).__name__}, wanted a tensor of floating numbers"
        )
    return value.detach().float() if value.is_floating_point() else value.detach()
