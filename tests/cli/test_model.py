"""Tests of ray_wssis.cli.model."""

import json
import os
from pathlib import Path
from typing import Any

import torch
from typer.testing import CliRunner
from upath import UPath

from ray_wssis.cli.app import app
from ray_wssis.data.records import Category
from ray_wssis.instance.segmenter import Segmenter
from ray_wssis.instance.segmenter_config import SegmenterConfig
from ray_wssis.models.solov2 import SOLOv2
from tests.support.published import published_segmenter
from tests.support.tiny import TINY
from tests.support.tiny_run import write_semantic_run


class Runs:
    """An object whose pickle runs a command of the shell."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


def test_a_checkpoint_becomes_a_model_folder(tmp_path: Path) -> None:
    """With the grids of a teacher, and the classes of a COCO file in the order of their ids."""
    file, coco, out = tmp_path / "a.pth", tmp_path / "coco.json", tmp_path / "out"
    torch.save({"model": published_segmenter()}, file)
    entries = [{"id": 9, "name": "b"}, {"id": 2, "name": "a"}, {"id": 30, "name": "c"}]
    coco.write_text(json.dumps({"images": [], "annotations": [], "categories": entries}))
    line = ["import-checkpoint", str(file), str(out)]
    options = ["--grids", "teacher", "--categories", str(coco)]
    result = CliRunner().invoke(app, [*line, *options])
    assert result.exit_code == 0, result.output
    assert "SOLOv2 with resnet50, 3 classes, grids 80, 64, 32, 24, 12" in result.stdout
    assert result.stdout.endswith(f"{out}\n")

    loaded = Segmenter.load(UPath(out), torch.device("cpu"))
    assert loaded.network.instance_head.grids == (80, 64, 32, 24, 12)
    assert loaded.config.scale_ranges == ((1, 72), (72, 144), (144, 288), (288, 584), (584, 2048))
    assert [(each.id, each.name) for each in loaded.categories] == [(2, "a"), (9, "b"), (30, "c")]

    again = CliRunner().invoke(app, line)
    assert again.exit_code == 1
    assert "is there and not empty" in again.stderr


def test_a_file_that_cannot_be_imported_is_a_sentence(tmp_path: Path) -> None:
    out, marker = tmp_path / "out", tmp_path / "was_run"
    for name, content in (
        ("hostile.pth", {"model": Runs(f"touch {marker}")}),
        ("foreign.pth", {"fc.weight": torch.ones(10, 5)}),
    ):
        torch.save(content, tmp_path / name)
    (tmp_path / "text.pth").write_text("not found")
    for name, said in (
        ("hostile.pth", "asks for"),
        ("foreign.pth", "neither a published SOLOv2"),
        ("text.pth", "not a checkpoint, or a damaged one"),
        ("missing.pth", "there is no such file"),
    ):
        result = CliRunner().invoke(app, ["import-checkpoint", str(tmp_path / name), str(out)])
        assert result.exit_code == 1
        assert name in result.stderr and said in result.stderr
        assert len(result.stderr.splitlines()) == 1
    assert not out.exists() and not marker.exists()


def test_import_checkpoint_has_help() -> None:
    result = CliRunner().invoke(app, ["import-checkpoint", "--help"])
    assert result.exit_code == 0
    assert "--grids" in result.stdout


def test_a_model_is_exported_where_it_is_asked_for(tmp_path: Path) -> None:
    config = SegmenterConfig(network=TINY, shorter=64, longest=96)
    categories = (Category(id=1, name="a"),)
    Segmenter(SOLOv2(TINY, 1), config, categories).save(UPath(tmp_path / "model"), "")
    out = tmp_path / "student.pt2"
    line = ["export", str(tmp_path / "model"), "--format", "torch", "--out", str(out)]
    result = CliRunner().invoke(app, [*line, "--height", "48", "--width", "96"])
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{out}\n"
    assert json.loads(out.with_suffix(".json").read_text())["canvas"] == [64, 96]


def test_a_semantic_student_is_exported_by_the_same_command(tmp_path: Path) -> None:
    run, out = write_semantic_run(tmp_path / "run"), tmp_path / "student.pt2"
    line = ["export", str(run), "--format", "torch", "--out", str(out)]
    result = CliRunner().invoke(app, line)
    assert result.exit_code == 0, result.output
    assert json.loads(out.with_suffix(".json").read_text())["outputs"].keys() == {"logits"}


def test_an_ending_that_does_not_fit_is_a_sentence(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["export", str(tmp_path), "--out", str(tmp_path / "a.pt2")])
    assert result.exit_code == 1
    assert "a file for onnx ends in .onnx" in result.output
