"""Weights of the SAM family: a folder as `save_pretrained` writes it, or a name on the hub.

They are found, and what is wrong with them is said, before anything is labelled.
"""

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from upath import UPath

from ray_wssis.storage import hash_file, is_local, locate, names_in, read_json

CLASSES = {  # of transformers
    "sam2": "Sam2Model",
    "sam": "SamModel",
    "sam_hq": "SamHQModel",
    "edgetam": "EdgeTamModel",
}
STRETCHES = ("sam2", "edgetam")  # an image fills the canvas; elsewhere it keeps its shape
EXAMPLES = {
    "sam2": "facebook/sam2.1-hiera-small",
    "sam": "facebook/sam-vit-base",
    "sam_hq": "syscv-community/sam-hq-vit-base",
    "edgetam": "yonigozlan/EdgeTAM-hf",
}
CONFIG = "config.json"
WEIGHTS = ".safetensors"


@dataclass(frozen=True, kw_only=True)
class SamWeights:
    family: str  # a key of CLASSES
    place: str  # a folder that every node can read, or a name on the hub
    revision: str | None  # commit on the hub; None: a folder
    digest: str  # stands for the weights
    side: int  # of the canvas, pixels

    @classmethod
    def find(cls, family: str, weights: str | None) -> "SamWeights":
        """Find the weights of one of the families; a name on the hub is downloaded.

        Raises ValueError if the extra is not installed, or if these are no such weights.
        """
        check_installed(family)
        if weights is None:
            raise ValueError(
                f"labeller {family} needs weights, and none are named: add a folder or a name on "
                f"the Hugging Face hub, as in {family}:{EXAMPLES[family]}"
            )
        revision = None
        folder = locate(weights)
        if is_hub_name(weights) and not folder.exists():
            folder, revision = downloaded(family, weights)
        config = read_config(family, weights, folder)
        files = sorted(name for name in names_in(folder) if name.endswith(WEIGHTS))
        if not files:
            raise ValueError(
                f"labeller {family}: {weights} has no *{WEIGHTS}; convert its weights with "
                "transformers (model.save_pretrained(FOLDER))"
            )
        return cls(
            family=family,
            place=weights if revision is not None else str(folder),
            revision=revision,
            digest=revision or hash_of(folder, [CONFIG, *files]),
            side=side_of(config),
        )


def cached() -> tuple[str, str] | None:
    """Return the family and the name of weights that lie in the hub's cache on this machine, of
    those that this module names; None without any."""
    if find_spec("transformers") is None:
        return None
    from huggingface_hub import try_to_load_from_cache

    for family, name in EXAMPLES.items():
        if isinstance(try_to_load_from_cache(name, f"model{WEIGHTS}"), str):
            return family, name
    return None


def check_installed(family: str) -> None:
    """Raise ValueError if transformers cannot run the family."""
    if find_spec("transformers") is None:
        raise ValueError(
            f"labeller {family} needs the optional extra: pip install 'ray-wssis[sam]'"
        )
    import transformers  # its models are loaded when they are asked for

    if not hasattr(transformers, CLASSES[family]):
        raise ValueError(
            f"labeller {family}: transformers {transformers.__version__} does not know it; "
            "pip install 'ray-wssis[sam]' brings one that does"
        )


def is_hub_name(weights: str) -> bool:
    """Tell whether it may be OWNER/NAME."""
    return weights.count("/") == 1 and "://" not in weights and not weights.startswith((".", "~"))


def downloaded(family: str, name: str) -> tuple[UPath, str]:
    """Download the weights of this name on the hub; return their folder and commit.

    Raises ValueError if that fails: for want of a network, a token, or such a name.
    """
    from huggingface_hub import snapshot_download  # comes with timm

    try:
        folder = locate(snapshot_download(name, allow_patterns=[CONFIG, f"*{WEIGHTS}"]))
    except Exception as error:  # of a network, of a file system, of the hub
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"labeller {family}: there is no folder {name}, and it cannot be downloaded from the "
            f"Hugging Face hub: {reason} Name a folder of weights, or download it where there "
            f"is a network: hf download {name} --local-dir FOLDER"
        ) from error
    return folder, folder.name


def read_config(family: str, weights: str, folder: UPath) -> dict[str, Any]:
    """Read `config.json`.  Raises ValueError unless it is about a model of this family."""
    file = folder / CONFIG
    if not is_local(folder):
        raise ValueError(
            f"labeller {family}: {weights} is no folder; copy its weights to one that all nodes "
            "can read"
        )
    if not file.exists():
        raise ValueError(
            f"labeller {family}: there is no {file}; wanted a folder as save_pretrained writes "
            f"it, or a name on the Hugging Face hub, as {EXAMPLES[family]}"
        )
    config = read_json(file)
    found = str(config.get("model_type"))
    if found.removesuffix("_video") != family:  # weights for videos hold those for images
        known = found.removesuffix("_video")
        hint = f"use {known}:{weights}" if known in CLASSES else f"wanted one of {family}"
        raise ValueError(f"labeller {family}: {weights} holds a model of type {found}; {hint}")
    return config


def side_of(config: dict[str, Any]) -> int:
    """Return the side of the canvas, as a saved configuration has it: without what is default."""
    for part in ("prompt_encoder_config", "vision_config"):
        size = (config.get(part) or {}).get("image_size")
        if size is not None:
            return int(size[0] if isinstance(size, list) else size)
    return 1024


def hash_of(folder: UPath, names: list[str]) -> str:
    files = "".join(f"{name} {hash_file(folder / name)}\n" for name in names)
    return hashlib.sha256(files.encode()).hexdigest()
