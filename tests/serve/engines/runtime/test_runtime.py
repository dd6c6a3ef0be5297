"""A student answers the same in onnxruntime as in torch, and falls back to torch."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from upath import UPath
from wssis_serve.config import ServeConfig
from wssis_serve.engines.choice import StudentEngine, hasten, open_student_engine
from wssis_serve.engines.models import find_models
from wssis_serve.engines.runtime import files, runtime
from wssis_serve.engines.runtime.graph import maps_of, write_graph
from wssis_serve.segmented import Mapped, Question, Segmented

from ray_wssis.masks import iou

QUESTION = Question()


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Graphs are written by this process, into a folder of the test."""
    folder = tmp_path_factory.mktemp("graphs")

    def here(model: UPath, canvas: tuple[int, int]) -> Path:
        file = folder / f"{abs(hash(str(model)))}-{canvas[0]}x{canvas[1]}.onnx"
        if not file.exists():
            write_graph(maps_of(model), *canvas, UPath(file))
        return file

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime, "graph_file", here)
        yield


def engine_of(run: Path) -> StudentEngine:
    return open_student_engine(find_models(str(run)), ServeConfig(model=str(run)))


def answers(engine: Any, images: list[bytes], question: Question) -> list[Any]:
    decoded = [engine.decode(image) for image in images]
    seen = engine.infer(decoded)
    return [engine.finish(*pair, question) for pair in zip(decoded, seen, strict=True)]


def assert_same_instances(found: Segmented, expected: Segmented) -> None:
    assert [each.label for each in found.instances] == [each.label for each in expected.instances]
    size = expected.image.height, expected.image.width
    for ours, theirs in zip(found.instances, expected.instances, strict=True):
        assert ours.score == pytest.approx(theirs.score, abs=1e-3)
        assert ours.mask is not None and theirs.mask is not None
        assert iou(ours.mask, theirs.mask, *size) >= 0.99


def test_instances_are_those_of_torch(graphs: None, run_folder: Path, image: bytes) -> None:
    engine, question = engine_of(run_folder), Question(threshold=0.1)
    expected = answers(engine, [image] * 3, question)
    hasten(engine, "onnx")
    engine.runtime.add((96, 96))  # the canvas of a square image
    assert engine.runtime.why.startswith("onnxruntime; on a canvas of 128 x 96, torch takes")
    engine.runtime.network = torch.nn.Identity()  # nobody asks torch any more
    found = answers(engine, [image] * 3, question)
    assert len(expected[0].instances) > 2
    for ours, theirs in zip(found, expected, strict=True):
        assert_same_instances(ours, theirs)


def test_class_maps_are_those_of_torch(graphs: None, semantic_run: Path, image: bytes) -> None:
    engine = engine_of(semantic_run)
    (expected,) = answers(engine, [image], QUESTION)
    hasten(engine, "onnx")
    engine.runtime.add((96, 96))
    engine.runtime.network = torch.nn.Identity()
    (found,) = answers(engine, [image], QUESTION)
    assert isinstance(found, Mapped)
    pixels = {shown.label: shown.num_pixels for shown in found.shown}
    wanted = {shown.label: shown.num_pixels for shown in expected.shown}
    differing = sum(abs(pixels.get(key, 0) - wanted.get(key, 0)) for key in {*pixels, *wanted})
    assert len(wanted) > 1 and differing <= 0.002 * found.image.width * found.image.height


def test_a_canvas_that_is_often_asked_for_gets_a_session(
    graphs: None, run_folder: Path, image: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(run_folder)
    hasten(engine, "onnx")
    added: list[tuple[int, int]] = []
    monkeypatch.setattr(engine.runtime, "add", added.append)
    for _ in range(3):  # 4, 8 and 12 images
        answers(engine, [image] * 4, QUESTION)
    assert added == [(96, 96)]


def test_the_faster_one_is_taken(
    graphs: None, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(run_folder)
    for torchs, onnxs, wanted in ((2.0, 1.0, True), (1.0, 2.0, False)):
        monkeypatch.setattr(engine.runtime, "measured", lambda *_, s=(torchs, onnxs): s)
        hasten(engine, "auto")
        assert engine.runtime.uses_onnx is wanted


def test_maps_that_differ_are_not_taken(
    graphs: None, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(run_folder)
    network = engine.runtime.network
    monkeypatch.setattr(
        engine.runtime, "network", lambda *given: tuple(2 * part for part in network(*given))
    )
    hasten(engine, "auto")
    assert not engine.runtime.uses_onnx and "differ from torch's by 0.5" in engine.runtime.why
    with pytest.raises(ValueError, match="onnxruntime cannot run"):
        hasten(engine, "onnx")


def test_without_onnxruntime_there_is_torch(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        runtime, "find_spec", lambda name: None if name == "onnxruntime" else found(name)
    )
    engine = engine_of(run_folder)
    hasten(engine, "auto")
    assert not engine.runtime.uses_onnx
    assert "onnxruntime not installed: pip install 'ray-wssis[export]'" in engine.runtime.why


@pytest.mark.slow
def test_a_graph_is_written_once(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model = UPath(run_folder / "student/model")
    file = files.graph_file(model, (96, 96))
    assert file.parent == tmp_path / "ray-wssis"
    written = file.stat().st_mtime_ns
    assert files.graph_file(model, (96, 96)) == file
    assert file.stat().st_mtime_ns == written
    with pytest.raises(RuntimeError, match=r"not a model folder|No such file"):
        files.write(UPath(tmp_path), (96, 96), tmp_path / "x.onnx")


def test_the_oldest_files_are_forgotten(tmp_path: Path) -> None:
    for number in range(files.MOST_FILES + 2):
        (tmp_path / f"{number:03d}.onnx").touch()
    forgotten = sorted(tmp_path.glob("*.onnx"), key=lambda file: file.stat().st_mtime)[:2]
    files.forget_oldest(tmp_path)
    assert len(list(tmp_path.glob("*.onnx"))) == files.MOST_FILES
    assert not any(file.exists() for file in forgotten)


def test_an_example_covers_its_canvas() -> None:
    pixels, sizes = runtime.example((64, 96))
    assert pixels.shape == (1, 3, 64, 96) and sizes.tolist() == [[64, 96]]
    assert len(np.unique(pixels.numpy())) > 200
