import json
import sys
from pathlib import Path

import pytest

from ray_wssis.methods.sam.weights import SamWeights, is_hub_name


def saved(folder: Path, model_type: str = "sam2", file: str = "model.safetensors") -> str:
    config = {"model_type": model_type, "prompt_encoder_config": {"image_size": 256}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / file).write_bytes(b"weights")
    return str(folder)


def test_weights_in_a_folder_are_known_by_their_bytes(tmp_path: Path) -> None:
    found = SamWeights.find("sam2", saved(tmp_path))
    assert found.place == str(tmp_path) and found.revision is None and found.side == 256
    assert SamWeights.find("sam2", str(tmp_path)).digest == found.digest
    (tmp_path / "model.safetensors").write_bytes(b"others")
    assert SamWeights.find("sam2", str(tmp_path)).digest != found.digest


def test_weights_for_videos_hold_those_for_images(tmp_path: Path) -> None:
    assert SamWeights.find("sam2", saved(tmp_path, "sam2_video")).family == "sam2"


def test_a_default_size_is_not_in_the_file(tmp_path: Path) -> None:
    saved(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "sam2", "vision_config": {}}')
    assert SamWeights.find("sam2", str(tmp_path)).side == 1024


@pytest.mark.parametrize(
    ("model_type", "file", "message"),
    [
        ("sam", "model.safetensors", r"holds a model of type sam; use sam:"),
        ("bert", "model.safetensors", r"holds a model of type bert; wanted one of sam2"),
        ("sam2", "pytorch_model.bin", r"has no \*\.safetensors; convert"),
    ],
)
def test_other_weights_are_refused(
    tmp_path: Path, model_type: str, file: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        SamWeights.find("sam2", saved(tmp_path, model_type, file))


def test_weights_must_be_named_and_be_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"needs weights, and none are named.*as in sam2:facebook"):
        SamWeights.find("sam2", None)
    with pytest.raises(ValueError, match=r"there is no .*config\.json; wanted a folder"):
        SamWeights.find("sam2", str(tmp_path / "nothing"))


def test_a_name_that_cannot_be_downloaded_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match=r"no folder nobody/nothing, and it cannot be downloaded"):
        SamWeights.find("sam2", "nobody/nothing")


def test_the_extra_must_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ValueError, match=r"sam2 needs the optional extra: pip install"):
        SamWeights.find("sam2", None)


def test_a_name_on_the_hub_is_no_path() -> None:
    assert is_hub_name("facebook/sam2.1-hiera-small")
    assert not any(map(is_hub_name, ["./weights", "/a/b/c", "s3://b/w", "~/w", "a/b/c", "w"]))
