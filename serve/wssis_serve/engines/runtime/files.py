"""Files of ONNX graphs, kept for the next start.

They lie in `ray-wssis` in the user's cache folder, named for everything that decides them.
"""

import importlib.metadata
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from filelock import FileLock
from upath import UPath

from ray_wssis.artifacts import hash_of_values
from ray_wssis.models.model_folder import hash_model

MOST_FILES = 32  # the oldest are removed
WRITES_WITHIN = 600.0  # seconds


def graph_file(model: UPath, canvas: tuple[int, int]) -> Path:
    """The ONNX file of a network for a canvas (height, width), written if it is not there.

    Raises RuntimeError when the network cannot be exported.
    """
    made_from = {
        "model": hash_model(model),
        "canvas": list(canvas),
        "versions": [importlib.metadata.version(name) for name in ("ray-wssis", "torch", "onnx")],
    }
    file = cache_folder() / f"{hash_of_values(made_from).removeprefix('sha256:')[:24]}.onnx"
    with FileLock(file.with_suffix(".lock"), timeout=WRITES_WITHIN):  # other replicas want it, too
        if not file.exists():
            write(model, canvas, file)
            forget_oldest(file.parent)
    return file


def write(model: UPath, canvas: tuple[int, int], file: Path) -> None:
    """Let a process of its own write the file."""
    words = [str(model), str(canvas[0]), str(canvas[1]), str(file)]
    command = [sys.executable, "-m", "wssis_serve.engines.runtime.graph", *words]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=WRITES_WITHIN, check=False
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"its export took longer than {WRITES_WITHIN:g} s") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise RuntimeError(lines[-1] if lines else f"its export ended with {done.returncode}")


def cache_folder() -> Path:
    """The folder of the files; one for this process where the user has none that can be written."""
    home = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = (Path(home) if home else Path.home() / ".cache") / "ray-wssis"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        pass
    return Path(tempfile.mkdtemp(prefix="ray-wssis-"))


def forget_oldest(folder: Path) -> None:
    files = sorted(folder.glob("*.onnx"), key=lambda file: file.stat().st_mtime)
    for file in files[:-MOST_FILES]:
        file.unlink(missing_ok=True)
        file.with_suffix(".lock").unlink(missing_ok=True)
