"""A trained network on disk: `model.safetensors`, `config.json` and a model card, no pickle."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from upath import UPath

from ray_wssis.artifacts import hash_of_values
from ray_wssis.config import Config
from ray_wssis.data.records import Category, named
from ray_wssis.storage import Place, hash_file, locate, read_json

if TYPE_CHECKING:  # looking for a model must not take the seconds that importing torch takes
    from torch import Tensor, nn

WEIGHTS = "model.safetensors"
DESCRIPTION = "config.json"
CARD = "model_card.md"
FILES = (WEIGHTS, DESCRIPTION, CARD)
METRICS = "metrics.json"  # in the folder of a run: its figures by name
STUDENTS = ("student", "agmm")  # stages whose network a run is for; the first that is there

logger = logging.getLogger(__name__)


def save_model(folder: UPath, network: "nn.Module", description: dict[str, Any], card: str) -> None:
    """Write the weights, the values to rebuild the network from, and a card for people."""
    import safetensors.torch

    folder.mkdir(parents=True, exist_ok=True)
    state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    (folder / CARD).write_text(card)
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n")
    (folder / WEIGHTS).write_bytes(safetensors.torch.save(state))


def find_model(folder: UPath) -> UPath:
    """Find the model folder at `folder`: itself, that of a stage, or that of the student of a run,
    of its teacher if that is the better one.  Of a recipe whose student may be left out, that of
    the only network.

    Raises ValueError when there is none.
    """
    stages = [better_of(folder), *(folder / name for name in STUDENTS)]
    for found in (folder, *(stage / "model" for stage in (folder, *stages))):
        if (found / DESCRIPTION).exists():
            return found
    raise ValueError(
        f"{folder}: not a model folder (there is no {DESCRIPTION}), and not a run with a student "
        "(there is no student/model)"
    )


def better_of(run: UPath) -> UPath:
    """Return the student's stage in a run, or the teacher's if it has the higher AP."""
    figures = read_json(run / METRICS) if (run / METRICS).exists() else {}
    if (ap := worse_student(figures)) is None:
        return run / "student"
    logger.warning(
        "%s: the teacher is used, because it is better than the student (AP %.1f against %.1f)",
        run,
        *ap,
    )
    return run / "teacher"


def worse_student(figures: Mapping[str, float | None]) -> tuple[float, float] | None:
    """Return the AP of teacher and student if the teacher's is higher, else None."""
    teacher, student = (figures.get(f"{name}/val/AP") for name in ("teacher", "student"))
    if teacher is None or student is None or student >= teacher:
        return None
    return teacher, student


def read_description(folder: UPath, kind: str) -> dict[str, Any]:
    """Read `config.json`; raise ValueError if the folder holds no model of this kind."""
    file = folder / DESCRIPTION
    if not file.exists():
        raise ValueError(f"{folder}: there is no {DESCRIPTION}, so this is not a model folder")
    description: dict[str, Any] = json.loads(file.read_text())
    if description.get("kind") != kind:
        raise ValueError(f"{folder}: holds a {description.get('kind')}, wanted a {kind}")
    return description


def check_model(folder: UPath, kind: str, categories: Sequence[Category]) -> None:
    """Raise ValueError unless the folder holds a model of this kind, trained for these classes."""
    known = categories_of(read_description(folder, kind))
    if known != tuple(categories):
        raise ValueError(
            f"{folder} was trained for {named(known)}, the data has {named(categories)}; numbers, "
            "names and order must be the same"
        )


def hash_model(folder: UPath) -> str:
    """Return a hash that tells models apart, equal to `Artifact.hash_of("model")` of the stage."""
    files = {f"model/{name}": folder / name for name in FILES}
    return hash_of_values({name: hash_file(file) for name, file in files.items() if file.exists()})


def hash_start(start: Place | None) -> dict[str, str]:
    """Return the entry of a stage's `made_from` for the model folder it starts from, if any.

    Raises ValueError if the folder holds no model.
    """
    if start is None:
        return {}
    folder = locate(start)
    if not (folder / WEIGHTS).exists():
        raise ValueError(f"start: {folder} has no {WEIGHTS}, so this is not a model folder")
    return {"start": hash_model(folder)}


def copy_model(source: UPath, target: UPath) -> None:
    """Copy the model folder `source` to `target`."""
    target.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (target / name).write_bytes((source / name).read_bytes())


def load_weights(folder: UPath, network: "nn.Module") -> None:
    """Fill `network` from a model folder.

    Raises RuntimeError that names keys which do not fit, ValueError as `read_weights`.
    """
    network.load_state_dict(read_weights(folder))


def read_weights(folder: UPath) -> "dict[str, Tensor]":
    """Read the weights in a model folder, by name.

    Raises ValueError if there are none, or if the file is damaged.
    """
    import safetensors.torch

    file = folder / WEIGHTS
    if not file.exists():
        raise ValueError(f"{folder}: there is no {WEIGHTS}, so this is not a model folder")
    try:
        return safetensors.torch.load(file.read_bytes())
    except safetensors.SafetensorError as error:
        raise ValueError(f"{file} is damaged ({error}); copy it again") from error


def describe(kind: str, config: Config, categories: Sequence[Category]) -> dict[str, Any]:
    """Compose the values to rebuild a network from, and the classes it was trained for."""
    return {
        "kind": kind,
        "config": config.model_dump(mode="json"),
        "categories": [vars(category) for category in categories],
    }


def categories_of(description: dict[str, Any]) -> tuple[Category, ...]:
    return tuple(Category(**category) for category in description["categories"])
