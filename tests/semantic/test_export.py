"""What was exported draws what the segmenter draws, with onnxruntime and with torch."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from upath import UPath

from ray_wssis.data.builtin.shapes import draw_image
from ray_wssis.data.records import Category
from ray_wssis.models.canvas import pad_images
from ray_wssis.models.dpt_config import DPTConfig, ViTConfig
from ray_wssis.models.semantic_network import create_network
from ray_wssis.semantic.export import export
from ray_wssis.semantic.segmenter import SemanticSegmenter, network_image
from ray_wssis.semantic.segmenter_config import SemanticConfig, Views
from tests.support.tiny_run import write_semantic_run

GUIDE = Path(__file__).parents[2] / "docs" / "user_guide.md"
SIZES = [(96, 128), (160, 90), (64, 64), (33, 200)]  # height, width of images

Picture = NDArray[np.uint8]
Infer = Callable[[Picture], NDArray[np.float32]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a student, and what was exported from it."""
    folder = write_semantic_run(tmp_path_factory.mktemp("run"))
    export(folder, folder / "semantic.onnx", "onnx")
    return folder


@pytest.fixture(scope="module")
def segmenter(run: Path) -> SemanticSegmenter:
    return SemanticSegmenter.load(UPath(run / "student/model"), torch.device("cpu"))


def by_onnx(file: Path) -> Infer:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])

    def infer(image: Picture) -> NDArray[np.float32]:
        canvas, sizes = pad_images([image])
        inputs = {"image": canvas.numpy(), "size": sizes[0].numpy()}
        logits: NDArray[np.float32] = session.run(None, inputs)[0]
        return logits

    return infer


def pictures() -> list[Picture]:
    return [draw_image(i, 0, 200)[0][:h, :w] for i, (h, w) in enumerate(SIZES)]


def assert_alike(infer: Infer, segmenter: SemanticSegmenter, image: Picture) -> None:
    """The logits are those of the segmenter, wherever the image is."""
    (expected,) = segmenter.logits([image], Views())
    height, width = expected.shape[-2:]
    own = infer(image)[:, :height, :width]
    np.testing.assert_allclose(own, expected.numpy(), atol=1e-3)


def test_logits_are_those_of_the_segmenter_on_canvases_of_any_size(
    run: Path, segmenter: SemanticSegmenter
) -> None:
    infer = by_onnx(run / "semantic.onnx")
    for picture in pictures():
        assert_alike(infer, segmenter, network_image(picture, segmenter.config))


def test_the_example_of_the_user_guide_draws_what_the_segmenter_draws(
    run: Path, segmenter: SemanticSegmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = GUIDE.read_text(encoding="utf-8").partition("\n## Export\n")[2].partition("\n## ")[0]
    _, example = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    monkeypatch.chdir(run)
    for picture in pictures():
        Image.fromarray(picture).save(run / "image.png")
        names: dict[str, Any] = {}
        exec(compile(example, "user_guide.md", "exec"), names)
        image = network_image(picture, segmenter.config)
        (drawn,) = segmenter.draw([image], [picture.shape[:2]], [None], Views())
        assert names["class_map"].shape == picture.shape[:2]
        assert (names["class_map"] == drawn.class_map).mean() > 0.995
        assert names["names"] == ["background", "cat", "dog", "sea", "sky"]


def test_the_json_says_how_to_use_the_file(run: Path) -> None:
    about = json.loads((run / "semantic.json").read_text())
    assert about["canvas"] is None
    assert about["inputs"]["image"] == {"shape": [1, 3, None, None], "type": "uint8"}
    assert about["outputs"]["logits"] == {"shape": [5, None, None], "type": "float32"}
    assert about["categories"][1] == {"id": 10, "name": "cat"}
    assert (about["canvas_multiple"], about["stride"]) == (32, 4)


def test_height_and_width_fix_the_canvas_and_torch_runs_it(
    run: Path, segmenter: SemanticSegmenter, tmp_path: Path
) -> None:
    export(run, tmp_path / "a.pt2", "torch", height=60, width=80)
    module = torch.export.load(tmp_path / "a.pt2").module()

    def infer(image: Picture) -> NDArray[np.float32]:
        canvas, sizes = pad_images([image])
        return np.asarray(module(canvas, sizes[0]))

    assert_alike(infer, segmenter, draw_image(0, 0, 128)[0][:90, :120])
    about = json.loads((tmp_path / "a.json").read_text())
    assert about["canvas"] == [96, 128]
    assert about["outputs"]["logits"]["shape"] == [5, 24, 32]


@pytest.mark.slow
def test_a_vision_transformer_has_a_canvas_of_its_own(tmp_path: Path) -> None:
    torch.manual_seed(0)
    vit = ViTConfig(name="vit_tiny_patch16_224", weights="none")
    config = SemanticConfig(network=DPTConfig(backbone=vit, width=8), shorter=64, longest=96)
    categories = (Category(id=0, name="a"), Category(id=1, name="b"))
    segmenter = SemanticSegmenter(create_network(config.network, 2).eval(), config, categories)
    segmenter.save(UPath(tmp_path / "model"), "")
    export(tmp_path, tmp_path / "a.onnx", "onnx", height=64, width=96)
    assert json.loads((tmp_path / "a.json").read_text())["canvas"] == [64, 96]
    assert_alike(by_onnx(tmp_path / "a.onnx"), segmenter, draw_image(0, 0, 96)[0][:64])


def test_a_segmenter_of_instances_is_refused_by_its_kind(run: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"kind": "segmenter"}')
    with pytest.raises(ValueError, match="holds a segmenter, wanted a semantic"):
        export(tmp_path, tmp_path / "a.pt2", "torch")
