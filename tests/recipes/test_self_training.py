"""Rounds of self-training on a handful of images: every stage real, only Ray's workers stay out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from upath import UPath

from ray_wssis.artifacts import Artifact
from ray_wssis.config import ConfigError
from ray_wssis.data.class_maps.png import UNKNOWN, decode
from ray_wssis.data.records import Records
from ray_wssis.recipes.catalogue import load_recipe
from ray_wssis.recipes.self_training_config import SelfTrainingConfig
from ray_wssis.run import ROWS
from ray_wssis.semantic.merge import PSEUDO_LABELS
from ray_wssis.semantic.segmenter import SemanticSegmenter
from ray_wssis.semantic.split import AUDIT, WEAK
from ray_wssis.storage import read_json
from ray_wssis.streaming.table import read_rows
from tests.support.in_process import refuse_work, stream_here, train_here
from tests.support.made import make
from tests.support.tiny_semantic import NETWORK

STEPS = "{steps: 1, batch_size: 4, warmup_steps: 0}"
FEW = [
    "data.semantic_shapes={num_images: 12, num_validation_images: 2}",
    "data.masks=6",
    "data.audit=0.34",
    f"teacher.model.network={NETWORK}",
    f"student.model.network={NETWORK}",
    f"teacher.training={STEPS}",
    f"student.training={STEPS}",
    "student.strong_images=2",
    "labelling.views={scales: [1.0], flip: false}",
]
THRESHOLD = "policy={name: threshold, confidence: 0.3}"


@pytest.fixture(scope="module")
def here() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ray_wssis.training.run.train", train_here)
        patch.setattr("ray_wssis.streaming.stream.stream", stream_here)
        yield patch


@pytest.fixture(scope="module")
def made(here: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    folder = tmp_path_factory.mktemp("rounds") / "run"
    return make(load_recipe("dars_shapes", [*FEW, "upper_bound=true"]), folder)


def test_every_stage_of_every_round_is_made(made: dict[str, Artifact]) -> None:
    assert list(made) == load_recipe("dars_shapes", [*FEW, "upper_bound=true"]).stages()
    assert {"round_1_labels", "round_2_labels"} <= made.keys()
    SemanticSegmenter.load(made["student"] / "model", torch.device("cpu"))
    figures = read_json(made["evaluation"] / "metrics.json")
    for model in ("teacher", "round_1_student", "round_2_student", "student", "upper_bound"):
        assert 0 <= figures[f"{model}/val/mIoU"] <= 100
    assert 0 <= figures["pseudo/mIoU"] <= 100  # of the labels of the last round


def test_audit_images_say_whether_a_round_is_taken(made: dict[str, Artifact]) -> None:
    verdicts = [read_json(made[f"round_{n}_verdict"] / "verdict.json") for n in (1, 2)]
    number = len(Records.read(made["split"] / AUDIT))
    assert number == 2
    for verdict in verdicts:
        assert verdict["num_audit_images"] == number
        assert verdict["is_taken"] == (verdict["after"] >= verdict["before"])
    taken = [f"round_{n}_student" for n in (1, 2) if verdicts[n - 1]["is_taken"]]
    source = ["teacher", *taken][-1]
    assert made["student"].hash_of("model") == made[source].hash_of("model")
    page = (made["report"] / "index.html").read_text()
    assert "round 2, drawn" in page
    assert ("not taken: " in page) == (len(taken) < 2)


def test_a_student_learns_kept_labels_as_they_were_drawn(made: dict[str, Artifact]) -> None:
    rows = read_rows(made["round_1_labels"] / ROWS, source=UPath(WEAK).stem)
    drawn = {row["image_id"]: row for row in rows}
    pseudo = Records.read(made["round_1_merged"] / PSEUDO_LABELS)
    assert sorted(record.image_id for record in pseudo) == sorted(drawn)
    num_kept = 0
    for record in pseudo:
        row = drawn[record.image_id]
        assert record.class_map is not None
        learnt, labels = decode(record.class_map), decode(row["class_map"])
        assert np.array_equal(learnt[learnt != UNKNOWN], labels[learnt != UNKNOWN])
        assert record.confidence == row["confidence"]
        num_kept += int((learnt != UNKNOWN).sum())
    told = read_json(made["round_1_merged"] / "kept.json")
    assert told["kept"] == pytest.approx(num_kept / told["num_pixels"], abs=1e-6)
    assert 0 < told["kept"] <= 0.41


def test_another_policy_needs_no_labelling(
    made: dict[str, Artifact], monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_work(monkeypatch)
    run = made["split"].folder.parent
    config = load_recipe("dars_shapes", [*FEW, THRESHOLD])
    again = make(config, run, until="round_1_merged", redo=True)
    assert again["round_1_labels"].digest == made["round_1_labels"].digest
    assert again["round_1_merged"].digest != made["round_1_merged"].digest
    make(load_recipe("dars_shapes", FEW), run, until="round_1_merged", redo=True)


def test_small_losses_are_those_of_the_first_teacher_in_every_round(
    here: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = load_recipe("dars_shapes", [*FEW, "policy={name: small_loss, loss: 0.6}"])
    made = make(config, tmp_path, until="round_2_merged")
    first = made["round_1_labels"]
    for number in (1, 2):
        merged = made[f"round_{number}_merged"]
        assert merged.manifest["made_from"]["first"] == f"sha256:{first.digest}"
        seen = {row["image_id"]: row for row in read_rows(first / ROWS, source="weak")}
        for record in Records.read(merged / PSEUDO_LABELS):
            kept = decode(record.class_map or b"")
            row = seen[record.image_id]
            marks = kept != UNKNOWN
            assert (kept[marks] == decode(row["class_map"])[marks]).all()
            assert (decode(row["confidence"])[marks] > 255 * np.exp(-0.65)).all()


def test_a_run_that_was_killed_in_a_round_goes_on_there(
    here: pytest.MonkeyPatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = []

    def train(task: Any, *rest: Any) -> None:
        trained.append(task.name)
        if len(trained) == 2:
            raise KeyboardInterrupt
        train_here(task, *rest)

    monkeypatch.setattr("ray_wssis.training.run.train", train)
    config = load_recipe("dars_shapes", [*FEW, "student.reinit=false"])
    with pytest.raises(KeyboardInterrupt):
        make(config, tmp_path)
    made = make(config, tmp_path, until="round_2_student")
    assert trained == ["teacher", "round_1_student", "round_1_student", "round_2_student"]
    start = made["round_2_student"].manifest["made_from"]["start"]
    assert start != made["round_1_student"].manifest["made_from"]["start"]


def test_rounds_that_would_repeat_a_refused_one_are_left_out(
    here: pytest.MonkeyPatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray_wssis.recipes.self_training.is_taken", lambda _: False)
    made = make(load_recipe("dars_shapes", [*FEW, THRESHOLD, "rounds=3"]), tmp_path)
    assert not [name for name in made if name.startswith("round_2")]
    assert made["student"].hash_of("model") == made["teacher"].hash_of("model")


def test_two_networks_learn_from_each_other(here: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = load_recipe("dmt_shapes", [*FEW, "rounds=1", "data.audit=0"])
    made = make(config, tmp_path)
    assert list(made) == config.stages()
    parts = [Records.read(made["halves"] / f"{name}.parquet") for name in ("first", "second")]
    assert len({record.image_id for part in parts for record in part}) == 6
    for name, by in (("first", "second_teacher"), ("second", "round_1_first_student")):
        digest = made[by].hash_of("model")
        assert digest in made[f"round_1_{name}_labels"].manifest["made_from"]["labeller"]
        assert made[f"round_1_{name}_student"].manifest["made_from"]["gamma"] == 5
    last = made["round_1_second_student"].hash_of("model")
    assert made["student"].hash_of("model") == last
    assert (
        "nothing told whether a round made it worse" in (tmp_path / "report/index.html").read_text()
    )


def test_scales_and_shares_grow_by_round() -> None:
    config = load_recipe("dars_shapes", ["student.largest_scales=[1.5, 2.0]", "rounds=3"])
    assert isinstance(config, SelfTrainingConfig)
    scales = [config.student_of(number, "").augment.scale for number in (1, 2, 3)]
    assert scales == [(1.0, 1.5), (1.0, 2.0), (1.0, 2.0)]
    assert [config.repeats(number) for number in (1, 2, 3)] == [False, True, True]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["data.masks=null", "data.sparse={kind: points, per_class: 1}"], "recipe agmm"),
        (["student.ready=a/model"], "a student in every round"),
        (["student.start=a", "student.reinit=false"], "begins with the one before it"),
        (["student.largest_scales=[0.5]"], "the smallest of augment.scale"),
        (["policy.confidence=0.5"], "confidence"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_recipe("dars_shapes", changes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("teacher.ready=a/model", "both would be the same network"),
        ("teacher.model.shorter=96", "must be the same"),
    ],
)
def test_two_networks_need_two_beginnings(change: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_recipe("dmt_shapes", [change])
