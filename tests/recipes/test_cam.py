"""Tags alone from end to end on a handful of images: every stage real, only Ray's workers stay
out."""

from pathlib import Path

import numpy as np
import pytest
from upath import UPath

from ray_wssis.artifacts import Artifact
from ray_wssis.config import ConfigError
from ray_wssis.data.class_maps.png import UNKNOWN, decode
from ray_wssis.data.records import Records
from ray_wssis.recipes.catalogue import load_recipe
from ray_wssis.run import ROWS
from ray_wssis.semantic.merge import PSEUDO_LABELS
from ray_wssis.semantic.split import AUDIT, TAUGHT, WEAK
from ray_wssis.storage import read_json
from ray_wssis.streaming.table import read_rows
from tests.support.class_maps import write_voc
from tests.support.in_process import refuse_work, stream_here, train_here
from tests.support.made import make
from tests.support.tiny_cam import NETWORK as CLASSIFIER
from tests.support.tiny_semantic import NETWORK

FEW = [
    "data.semantic_shapes={num_images: 12, num_validation_images: 3}",
    "data.masks=4",
    "baseline=true",
    "merge.min_confidence=0.5",
    *(
        f"{stage}.{change}"
        for stage, network in (("classifier", CLASSIFIER), ("student", NETWORK))
        for change in (
            f"model.network={network}",
            "training.steps=2",
            "training.batch_size=4",
            "training.warmup_steps=0",
        )
    ),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ray_wssis.training.run.train", train_here)
        patch.setattr("ray_wssis.streaming.stream.stream", stream_here)
        return make(load_recipe("cam_shapes", FEW), tmp_path_factory.mktemp("cam") / "run")


@pytest.mark.slow
def test_every_stage_is_made_and_none_twice(
    made: dict[str, Artifact], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_recipe("cam_shapes", FEW)
    assert list(made) == config.stages()
    refuse_work(monkeypatch)
    again = make(config, made["split"].folder.parent)
    assert {name: artifact.digest for name, artifact in again.items()} == {
        name: artifact.digest for name, artifact in made.items()
    }


@pytest.mark.slow
def test_class_maps_only_measure(made: dict[str, Artifact]) -> None:
    assert len(Records.read(made["split"] / TAUGHT)) == 0
    assert len(Records.read(made["split"] / AUDIT)) == 4
    assert read_json(made["audit"] / "audit.json")["num_audit_images"] == 4
    points = read_json(made["curve"] / "curve.json")["points"]
    assert points[0][0] == 0 and points[-1][0] == 1
    assert all(0 <= miou <= 100 for _, miou in points)


@pytest.mark.slow
def test_labels_are_tags_and_unsure_pixels_are_not_learnt(made: dict[str, Artifact]) -> None:
    weak = {record.image_id: record for record in Records.read(made["split"] / WEAK)}
    pseudo = {record.image_id: record for record in Records.read(made["merged"] / PSEUDO_LABELS)}
    rows = read_rows(made["labels"] / ROWS, source=UPath(WEAK).stem)
    assert sorted(row["image_id"] for row in rows) == sorted(weak) == sorted(pseudo)
    for row in rows:
        image = row["image_id"]
        labels, confidence = decode(row["class_map"]), decode(row["confidence"])
        assert set(np.unique(labels)) <= set(weak[image].tags or ())
        assert set(np.unique(decode(row["classes"]))) <= set(weak[image].tags or ())
        learnt = np.where(confidence < 127.5, UNKNOWN, labels)
        assert (decode(pseudo[image].class_map or b"") == learnt).all()


@pytest.mark.slow
def test_the_page_shows_every_threshold(made: dict[str, Artifact]) -> None:
    page = (made["report"] / "index.html").read_text()
    assert "Background threshold" in page and "mIoU on audit images" in page
    assert "and no class map; 4 class maps only measure the labels" in page


@pytest.mark.slow
def test_a_student_labels_for_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray_wssis.training.run.train", train_here)
    monkeypatch.setattr("ray_wssis.streaming.stream.stream", stream_here)
    config = load_recipe("cam_shapes", [*FEW, "rounds=2", "baseline=false"])
    folders = make(config, tmp_path / "run")
    assert list(folders) == config.stages()
    verdict = read_json(folders["round_1_verdict"] / "verdict.json")
    assert verdict["num_audit_images"] == 4
    assert verdict["is_taken"] == (verdict["after"] >= verdict["before"])
    first, last = (
        read_rows(folders[name] / ROWS, source=UPath(WEAK).stem)
        for name in ("round_1_labels", "labels")
    )
    assert ("scores" in last[0]) == (not verdict["is_taken"]) and "scores" in first[0]
    page = (folders["report"] / "index.html").read_text()
    assert "The student of a round labels the images of the next one" in page


@pytest.mark.slow
def test_the_published_configuration_takes_its_steps_on_a_voc_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_voc(tmp_path / "data/VOCdevkit/VOC2012", strong="12", weak="3456", validation="7")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ray_wssis.training.run.train", train_here)
    monkeypatch.setattr("ray_wssis.streaming.stream.stream", stream_here)
    small = [
        f"{stage}.{change}"
        for stage in ("classifier", "student")
        for change in ("model.shorter=32", "model.longest=64", "augment.crop=32")
    ]
    stages = [change for change in FEW if change.startswith(("classifier", "student"))]
    folders = make(load_recipe("cam_voc", ["data.masks=2", *stages, *small]), tmp_path / "run")
    assert len(Records.read(folders["split"] / AUDIT)) == 2
    assert len(Records.read(folders["merged"] / PSEUDO_LABELS)) == 4
    figures = read_json(folders["evaluation"] / "metrics.json")
    assert 0 <= figures["student/val/mIoU@views"] <= 100


def test_masks_that_teach_need_a_share_of_each_step() -> None:
    with pytest.raises(ConfigError, match=r"student.strong_images.*give it unless"):
        load_recipe("cam_shapes", ["data.audit=0.1"])
    load_recipe("cam_shapes", ["data.audit=0.1", "student.strong_images=4"])


@pytest.mark.slow
def test_maps_walk_by_affinities_that_were_learnt_from_sure_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray_wssis.training.run.train", train_here)
    monkeypatch.setattr("ray_wssis.streaming.stream.stream", stream_here)
    backbone = "{name: resnet18, weights: none, frozen_stages: 0, norm: batch}"
    network = f"network: {{backbone: {backbone}, stride: 4, widths: [4, 4, 8]}}"
    training = "training: {steps: 2, batch_size: 4, warmup_steps: 0}"
    crop = "augment: {crop: 96, scale: [1.5, 1.5], flip: true}"
    walk = [
        "labelling.refine={name: walk, steps: 16}",
        f"affinity={{model: {{{network}}}, {crop}, {training}}}",
    ]
    config = load_recipe("cam_shapes", [*FEW, *walk])
    folders = make(config, tmp_path / "run", until="labels")
    assert list(folders) == config.stages()[: config.stages().index("labels") + 1]
    sure = [
        decode(x.class_map or b"") for x in Records.read(folders["sure_merged"] / PSEUDO_LABELS)
    ]
    assert any((own == UNKNOWN).any() and (own != UNKNOWN).any() for own in sure)
    weak = {record.image_id: record for record in Records.read(folders["split"] / WEAK)}
    for row in read_rows(folders["labels"] / ROWS, source=UPath(WEAK).stem):
        assert set(np.unique(decode(row["class_map"]))) <= set(weak[row["image_id"]].tags or ())


def test_a_walk_and_its_network_go_together() -> None:
    for change in ("labelling.refine={name: walk}", "affinity={training: {steps: 2}}"):
        with pytest.raises(ConfigError, match="go together: give both or none"):
            load_recipe("cam_shapes", [change])
    with pytest.raises(ConfigError, match="only the recipe cam trains"):
        load_recipe("irn_shapes", ["maps.refine={name: walk}"])
