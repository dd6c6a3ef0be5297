"""Rounds of self-training on a handful of images: every stage real, only Ray's workers stay out."""

from pathlib import Path

import numpy as np
import pytest
import torch
from upath import UPath

from ray_wssis.data.class_maps.png import UNKNOWN, decode
from ray_wssis.data.records import Records
from ray_wssis.recipes.catalogue import load_recipe
from ray_wssis.run import ROWS
from ray_wssis.semantic.merge import PSEUDO_LABELS
from ray_wssis.semantic.segmenter import SemanticSegmenter
from ray_wssis.semantic.split import WEAK
from ray_wssis.storage import read_json
from ray_wssis.streaming.table import read_rows
from tests.support.in_process import stream_here, train_here
from tests.support.made import make
from tests.support.tiny_semantic import NETWORK

STEPS = "{steps: 2, batch_size: 4, warmup_steps: 0}"
FEW = [
    "data.semantic_shapes={num_images: 12, num_validation_images: 3}",
    "data.masks=6",
    "data.audit=0.34",
    f"teacher.model.network={NETWORK}",
    f"student.model.network={NETWORK}",
    f"teacher.training={STEPS}",
    f"student.training={STEPS}",
    "student.strong_images=2",
    "labelling.views={scales: [1.0], flip: false}",
]
DMT = ["networks=2", "policy={name: cbst, shares: [0.2, 1.0]}", "student.gamma=5"]


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray_wssis.training.run.train", train_here)
    monkeypatch.setattr("ray_wssis.streaming.stream.stream", stream_here)


def test_every_stage_of_every_round_is_made(tmp_path: Path) -> None:
    config = load_recipe("dars_shapes", [*FEW, "upper_bound=true"])
    made = make(config, tmp_path / "run")
    assert list(made) == config.stages()
    assert "round_2_labels" in made
    SemanticSegmenter.load(UPath(made["student"] / "model"), torch.device("cpu"))
    figures = read_json(UPath(tmp_path / "run/metrics.json"))
    for model in ("teacher", "round_1_student", "round_2_student", "student", "upper_bound"):
        assert 0 <= figures[f"{model}/val/mIoU"] <= 100
    page = (tmp_path / "run/report/index.html").read_text()
    assert "Rounds" in page and "round 2" in page


def test_a_student_learns_kept_labels_unchanged_and_nothing_of_the_others(tmp_path: Path) -> None:
    made = make(load_recipe("dars_shapes", [*FEW, "rounds=1"]), tmp_path / "run")
    rows = read_rows(made["round_1_labels"] / ROWS, source=UPath(WEAK).stem)
    drawn = {row["image_id"]: row for row in rows}
    pseudo = Records.read(made["round_1_merged"] / PSEUDO_LABELS)
    assert sorted(record.image_id for record in pseudo) == sorted(drawn)
    num_kept = 0
    for record in pseudo:
        assert record.class_map is not None
        learnt, labels = (
            decode(x) for x in (record.class_map, drawn[record.image_id]["class_map"])
        )
        assert np.array_equal(learnt[learnt != UNKNOWN], labels[learnt != UNKNOWN])
        assert record.confidence == drawn[record.image_id]["confidence"]
        num_kept += int((learnt != UNKNOWN).sum())
    told = read_json(made["round_1_merged"] / "kept.json")
    assert told["kept"] == pytest.approx(num_kept / told["num_pixels"], abs=1e-6)
    assert 0 < told["kept"] <= 0.5
