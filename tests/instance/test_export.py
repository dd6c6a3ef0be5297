"""What was exported finds what the segmenter finds, with onnxruntime and with torch."""

import json
import re
import sys
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
from ray_wssis.instance.export import Detector, export
from ray_wssis.instance.segmenter import Found, Segmenter, network_image
from ray_wssis.instance.segmenter_config import SegmenterConfig
from ray_wssis.masks import decode, encode, iou
from ray_wssis.models.canvas import pad_images
from ray_wssis.models.export_file import Format
from ray_wssis.models.full_size_masks import encode_full_size
from ray_wssis.models.solov2 import SOLOv2
from ray_wssis.models.solov2_config import InferenceConfig
from ray_wssis.models.solov2_inference import detect
from tests.support.tiny import TINY

CONFIG = SegmenterConfig(
    network=TINY,
    shorter=64,
    longest=100,
    inference=InferenceConfig(min_class_score=0.3, min_score=0.15, max_instances=20),
)
CATEGORIES = (Category(id=4, name="a"), Category(id=9, name="b"), Category(id=11, name="c"))
HEIGHT, WIDTH = 96, 128  # of the pictures: 64 x 85 in the network, on a canvas of 64 x 96
GUIDE = Path(__file__).parents[2] / "docs" / "user_guide.md"

Picture = NDArray[np.uint8]
Detect = Callable[[NDArray[np.uint8], NDArray[np.int64]], list[NDArray[Any]]]


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    torch.manual_seed(0)
    network = SOLOv2(CONFIG.network, num_classes=3).eval()
    for parameter in network.instance_head.parameters():
        torch.nn.init.normal_(parameter, std=0.3)  # masks that differ from each other
    return Segmenter(network, CONFIG, CATEGORIES)


@pytest.fixture(scope="module")
def run(segmenter: Segmenter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder whose student is trained, and what was exported from it."""
    folder = tmp_path_factory.mktemp("run")
    segmenter.save(UPath(folder / "student" / "model"), "# a card\n")
    export(folder, folder / "student.onnx", "onnx", height=HEIGHT, width=WIDTH)
    model = folder / "student" / "model"
    export(model, folder / "torch" / "student.pt2", "torch", height=HEIGHT, width=WIDTH)
    return folder


@pytest.fixture(scope="module", params=["onnx", "torch"])
def exported(request: pytest.FixtureRequest, run: Path) -> Detect:
    if request.param == "onnx":
        session = onnxruntime.InferenceSession(
            run / "student.onnx", providers=["CPUExecutionProvider"]
        )
        return lambda image, size: session.run(None, {"image": image, "size": size})
    module = torch.export.load(run / "torch" / "student.pt2").module()
    return lambda image, size: [
        value.numpy() for value in module(torch.from_numpy(image), torch.from_numpy(size))
    ]


def pictures(num: int, height: int = HEIGHT, width: int = WIDTH) -> list[Picture]:
    return [draw_image(i, 0, 128)[0][:height, :width] for i in range(num)]


def full_size(detect: Detect, picture: Picture) -> Found:
    image = network_image(picture, CONFIG)
    canvas, sizes = pad_images([image])
    masks, labels, scores = detect(canvas.numpy(), sizes[0].numpy())
    num = int((scores > 0).sum())
    counts = encode_full_size(
        torch.from_numpy(masks[:num]), image.shape[:2], picture.shape[:2], 0.5
    )
    kept = [i for i, mask in enumerate(counts) if mask is not None]
    return Found(
        labels=labels[kept].tolist(),
        scores=scores[kept].tolist(),
        masks=[mask for mask in counts if mask is not None],
    )


def assert_alike(found: Found, expected: Found, height: int, width: int) -> None:
    assert found.labels == expected.labels
    assert found.scores == pytest.approx(expected.scores, abs=1e-3)
    for one, other in zip(found.masks, expected.masks, strict=True):
        assert iou(one, other, height, width) >= 0.99


def test_what_was_exported_finds_what_the_segmenter_finds(
    exported: Detect, segmenter: Segmenter
) -> None:
    found = [full_size(exported, picture) for picture in pictures(20)]
    expected = [
        segmenter.segment([network_image(picture, CONFIG)], [picture.shape[:2]])[0]
        for picture in pictures(20)
    ]
    for one, other in zip(found, expected, strict=True):
        assert_alike(one, other, HEIGHT, WIDTH)
    counts = [len(each.masks) for each in expected]
    assert min(counts) < max(counts) <= 20 and sum(counts) > 100


def test_a_picture_of_another_shape_lies_on_the_same_canvas(
    exported: Detect, segmenter: Segmenter
) -> None:
    images = [network_image(picture, CONFIG) for picture in (*pictures(1), *pictures(1, 96, 96))]
    canvas, sizes = pad_images(images)
    expected = detect(segmenter.forward(images), CONFIG.inference)[1]
    masks, labels, scores = exported(canvas[1:].numpy(), sizes[1].numpy())
    num = len(expected.scores)
    assert num and (scores > 0).sum() == num
    assert labels[:num].tolist() == expected.labels.tolist()
    np.testing.assert_allclose(scores[:num], expected.scores, atol=1e-3)
    np.testing.assert_allclose(masks[:num], expected.masks, atol=1e-3)


def test_nothing_found_is_rows_without_a_score(segmenter: Segmenter) -> None:
    strict = CONFIG.model_copy(update={"inference": InferenceConfig(min_class_score=1)})
    detector = Detector(Segmenter(segmenter.network, strict, CATEGORIES))
    canvas, sizes = pad_images(pictures(1))
    with torch.inference_mode():
        masks, labels, scores = detector(canvas, sizes[0])
    assert masks.shape == (100, 24, 32) and labels.shape == (100,)
    assert scores.tolist() == [0] * 100


def test_the_json_says_how_to_use_the_file(run: Path) -> None:
    about = json.loads((run / "student.json").read_text())
    assert about == json.loads((run / "torch" / "student.json").read_text())
    session = onnxruntime.InferenceSession(run / "student.onnx", providers=["CPUExecutionProvider"])
    for kind, values in (("inputs", session.get_inputs()), ("outputs", session.get_outputs())):
        assert {name: each["shape"] for name, each in about[kind].items()} == {
            value.name: value.shape for value in values
        }
    assert about["inputs"]["image"] == {"shape": [1, 3, 64, 96], "type": "uint8"}
    assert about["outputs"]["masks"] == {"shape": [20, 16, 24], "type": "float32"}
    assert about["canvas"] == [64, 96]
    assert about["categories"][2] == {"id": 11, "name": "c"}
    assert about["inference"]["mask_threshold"] == 0.5


def test_the_example_of_the_user_guide_finds_what_the_segmenter_finds(
    run: Path, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = GUIDE.read_text(encoding="utf-8").partition("\n## Export\n")[2].partition("\n## ")[0]
    example, _ = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    picture = pictures(1)[0]
    Image.fromarray(picture).save(run / "image.png")
    monkeypatch.chdir(run)
    names: dict[str, Any] = {}
    exec(compile(example, "user_guide.md", "exec"), names)

    expected = segmenter.segment([network_image(picture, CONFIG)], [(HEIGHT, WIDTH)])[0]
    found = Found(
        labels=["abc".index(name) for name, _, _ in names["found"]],
        scores=[float(score) for _, score, _ in names["found"]],
        masks=[encode(mask) for _, _, mask in names["found"]],
    )
    assert len(found.masks) > 1 and decode(found.masks[0], HEIGHT, WIDTH).any()
    assert_alike(found, expected, HEIGHT, WIDTH)


def test_without_a_shape_the_canvas_is_square(run: Path, tmp_path: Path) -> None:
    assert export(run, tmp_path / "square.pt2", "torch") == UPath(tmp_path / "square.pt2")
    assert json.loads((tmp_path / "square.json").read_text())["canvas"] == [64, 64]


@pytest.mark.parametrize(
    ("file", "format", "sides", "words"),
    [
        ("student.onnx", "torch", {}, r"ends in \.pt2"),
        ("student.pt2", "onnx", {}, r"ends in \.onnx"),
        ("student.pt2", "torch", {"height": 480}, "height 480 and width None"),
        ("student.pt2", "torch", {"height": 480, "width": 0}, "give both, in pixels"),
    ],
)
def test_what_cannot_be_written_is_refused(
    run: Path, tmp_path: Path, file: str, format: Format, sides: dict[str, int], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        export(run, tmp_path / file, format, **sides)
    assert not list(tmp_path.iterdir())


def test_a_folder_without_a_student_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a run with a student"):
        export(tmp_path, tmp_path / "student.pt2", "torch")


def test_the_missing_extra_is_named(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)  # as if it were not installed
    with pytest.raises(ValueError, match=r"pip install 'ray-wssis\[export\]'"):
        export(run, tmp_path / "student.onnx", "onnx")
