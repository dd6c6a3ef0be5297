"""A trained student suggests objects; its worker runs in this process."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner
from upath import UPath

from ray_wssis import masks
from ray_wssis.cli.app import app
from ray_wssis.data.annotated import is_labelled
from ray_wssis.data.builtin.shapes import write_shapes
from ray_wssis.data.coco.read import read_coco
from ray_wssis.instance.detections import IMAGES
from ray_wssis.recipes.suggest import SUGGESTIONS, SuggestConfig, suggest
from ray_wssis.run import ROWS
from ray_wssis.streaming.table import read_rows
from tests.support.in_process import refuse_work, stream_here
from tests.support.tiny_run import write_run, write_semantic_run

SCORE = 0.3


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shapes")
    write_shapes(UPath(folder), 3, 0, 64)
    (folder / "images" / "broken.png").write_bytes(b"no image")
    whole = sorted((folder / "images").glob("0*.png"))[0].read_bytes()
    (folder / "images" / "torn.png").write_bytes(whole[: len(whole) // 2])
    return folder / "images"


def test_everything_found_is_suggested_once_and_nothing_of_it_is_a_label(
    tmp_path: Path,
    images: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run, out = write_run(tmp_path / "run"), tmp_path / "out"
    monkeypatch.setattr("ray_wssis.streaming.stream.stream", stream_here)
    made = suggest(run, images, out, SuggestConfig(score=SCORE))
    data: dict[str, Any] = json.loads((made / SUGGESTIONS).read_text())
    rows = read_rows(made / ROWS, source=UPath(IMAGES).stem)
    wanted = [
        (row["image_id"], mask.decode(), round(score, 4))
        for row in rows
        for mask, score in zip(row["mask"] or (), row["score"] or (), strict=True)
        if score >= SCORE
    ]
    written = [
        (entry["image_id"], entry["segmentation"]["counts"], entry["score"])
        for entry in data["annotations"]
    ]
    assert written
    assert sorted(written) == sorted(wanted)
    scores = [(image, -score) for image, _, score in written]
    assert scores == sorted(scores)  # best first
    assert all(entry["suggested"] is True for entry in data["annotations"])
    for entry in data["annotations"]:
        counts = entry["segmentation"]["counts"].encode()
        assert masks.contains(counts, 64, 64, tuple(entry["point"]))
    names = {entry["file_name"] for entry in data["images"]}
    assert names == {path.name for path in images.iterdir()} - {"broken.png", "torn.png"}
    [failed] = map(json.loads, (made / "failed.jsonl").read_text().splitlines())
    assert UPath(failed["file"]).name == "torn.png"

    with caplog.at_level(logging.WARNING):
        read = read_coco(str(made / SUGGESTIONS), str(images))
    assert not any(map(is_labelled, read))
    assert f"{len(written)} annotations are suggestions and are left out" in caplog.text
    refuse_work(monkeypatch)
    assert suggest(run, images, out, SuggestConfig(score=SCORE)).digest == made.digest


def test_a_student_of_class_maps_is_refused(tmp_path: Path, images: Path) -> None:
    with pytest.raises(ValueError, match="segmenter"):
        suggest(write_semantic_run(tmp_path / "run"), images, tmp_path / "out")


def test_the_command_writes_the_file(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray_wssis.streaming.stream.stream", stream_here)
    run, out = write_run(tmp_path / "run"), tmp_path / "out"
    said = CliRunner().invoke(app, ["suggest", str(run), str(images), "--out", str(out)])
    assert said.exit_code == 0, said.output
    assert said.stdout.strip() == str(out / SUGGESTIONS)
    assert (out / SUGGESTIONS).exists()
