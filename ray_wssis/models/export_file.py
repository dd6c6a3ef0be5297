"""The file of an exported network, for onnxruntime or for torch, and the `.json` beside it."""

import io
import json
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Literal

import torch
from torch import Tensor
from torch.export import ExportedProgram
from upath import UPath

from ray_wssis.storage import Place, locate, write_atomically

Format = Literal["onnx", "torch"]
SUFFIXES: dict[Format, str] = {"onnx": ".onnx", "torch": ".pt2"}


def checked_target(file: Place, format: Format) -> UPath:
    """Return the place of the file.

    Raises ValueError for another suffix, or if the optional extra is missing.
    """
    target = locate(file)
    if target.suffix != SUFFIXES[format]:
        raise ValueError(f"{file}: a file for {format} ends in {SUFFIXES[format]}")
    if format == "onnx" and any(find_spec(name) is None for name in ("onnx", "onnxscript")):
        raise ValueError("--format onnx needs the optional extra: pip install 'ray-wssis[export]'")
    return target


def checked_shape(height: int | None, width: int | None) -> tuple[int, int] | None:
    """Return (height, width) of the images to come; None if nothing is said about them."""
    if height is None and width is None:
        return None
    if height is None or width is None or min(height, width) < 1:
        raise ValueError(f"height {height} and width {width}: give both, in pixels")
    return height, width


def write(
    program: ExportedProgram,
    target: UPath,
    inputs: Sequence[str],
    outputs: Sequence[str],
    about: Mapping[str, Any],
    translations: Mapping[Any, Any] | None = None,
) -> UPath:
    """Write `target`, in the format of its suffix, and a `.json` with `about` and the tensors.

    `inputs` and `outputs` are the names of the latter; `translations` are functions for operators
    that the exporter to ONNX does not know.  Returns the file.
    """
    is_onnx = target.suffix == SUFFIXES["onnx"]
    data = onnx_bytes(program, inputs, outputs, translations) if is_onnx else torch_bytes(program)
    tensors = describe(program, inputs, outputs)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, data)
    text = json.dumps(tensors | dict(about), indent=2) + "\n"
    write_atomically(target.with_suffix(".json"), text.encode())
    return target


def torch_bytes(program: ExportedProgram) -> bytes:
    """Serialise to the content of a `.pt2` file, for `torch.export.load`."""
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return buffer.getvalue()


def onnx_bytes(
    program: ExportedProgram,
    inputs: Sequence[str],
    outputs: Sequence[str],
    translations: Mapping[Any, Any] | None,
) -> bytes:
    """Serialise to the content of a `.onnx` file, weights included."""
    exported = torch.onnx.export(
        program,
        input_names=inputs,
        output_names=outputs,
        custom_translation_table=None if translations is None else dict(translations),
        verbose=False,
    )
    assert exported is not None
    return bytes(exported.model_proto.SerializeToString())


def describe(
    program: ExportedProgram, inputs: Sequence[str], outputs: Sequence[str]
) -> dict[str, Any]:
    """Describe the tensors for someone who does not have this package."""
    values = {node.name: node.meta["val"] for node in program.graph.nodes if "val" in node.meta}
    signature = program.graph_signature
    sides = {
        "inputs": zip(inputs, signature.user_inputs, strict=True),
        "outputs": zip(outputs, signature.user_outputs, strict=True),
    }
    return {
        side: {name: shape_and_type(values[key]) for name, key in names}
        for side, names in sides.items()
    }


def shape_and_type(value: Tensor) -> dict[str, Any]:
    """Describe a tensor; a side that the image decides is null."""
    sides = [side if isinstance(side, int) else None for side in value.shape]
    return {"shape": sides, "type": str(value.dtype).removeprefix("torch.")}
