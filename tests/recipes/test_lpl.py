"""LPL from end to end on a handful of images: every stage real, only Ray's workers stay out."""

from pathlib import Path

import numpy as np
import pytest
import torch
from upath import UPath

from ray_wssis.artifacts import Artifact
from ray_wssis.data.class_maps.png import decode
from ray_wssis.data.records import Records
from ray_wssis.recipes.catalogue import load_recipe
from ray_wssis.run import ROWS
from ray_wssis.semantic.merge import PSEUDO_LABELS
from ray_wssis.semantic.segmenter import SemanticSegmenter
from ray_wssis.semantic.split import AUDIT, STRONG, WEAK
from ray_wssis.storage import read_json
from ray_wssis.streaming.table import read_rows
from tests.support.class_maps import write_voc
from tests.support.in_process import refuse_work, stream_here, train_here
from tests.support.made import make
from tests.support.tiny_semantic import NETWORK

pytestmark = pytest.mark.slow

VIT = "{decoder: dpt, backbone: {name: test_vit, weights: none}, width: 16}"
FEW = [
    "data.semantic_shapes={num_images: 14, num_validation_images: 3}",
    "data.masks=6",
    "data.audit=0.34",
    "baseline=true",
    "upper_bound=true",
    "labelling.views={scales: [0.5, 1.0], flip: true}",
    "evaluation={scales: [1.0], flip: true}",
    *(
        f"{stage}.{change}"
        for stage, network in (("hybrid", NETWORK), ("student", VIT))
        for change in (
            f"model.network={network}",
            "strong_images=2",
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
        return make(load_recipe("lpl_shapes", FEW), tmp_path_factory.mktemp("lpl") / "run")


def test_every_stage_is_made(made: dict[str, Artifact]) -> None:
    assert list(made) == load_recipe("lpl_shapes", FEW).stages()


def test_no_pseudo_label_is_outside_the_tags(made: dict[str, Artifact]) -> None:
    weak = {record.image_id: record for record in Records.read(made["split"] / WEAK)}
    rows = read_rows(made["labels"] / ROWS, source=UPath(WEAK).stem)
    assert sorted(row["image_id"] for row in rows) == sorted(weak)
    for row in rows:
        tags = weak[row["image_id"]].tags
        assert tags is not None
        assert set(np.unique(decode(row["class_map"]))) <= set(tags)
        assert decode(row["confidence"]).shape == (row["height"], row["width"])


def test_the_student_learns_from_true_maps_unchanged_and_from_labels(
    made: dict[str, Artifact],
) -> None:
    rows = read_rows(made["labels"] / ROWS, source=UPath(WEAK).stem)
    labels = {row["image_id"]: row["class_map"] for row in rows}
    pseudo = Records.read(made["merged"] / PSEUDO_LABELS)
    assert {record.image_id: record.class_map for record in pseudo} == labels
    strong = {record.image_id for record in Records.read(made["split"] / STRONG)}
    assert not strong & set(labels)
    student = SemanticSegmenter.load(made["student"] / "model", torch.device("cpu"))
    assert student.categories == pseudo.categories


def test_audit_images_tell_what_to_expect(made: dict[str, Artifact]) -> None:
    audit = read_json(made["audit"] / "audit.json")
    assert audit["num_audit_images"] == len(Records.read(made["split"] / AUDIT)) == 2
    assert 0 <= audit["pixel_accuracy"]["expected_mean"] <= 1
    review = read_json(made["audit"] / "review.json")["images"]
    expected = [image["expected_pixel_accuracy"] for image in review]
    assert len(review) == 8
    assert expected == sorted(expected)


def test_figures_name_how_they_were_taken(made: dict[str, Artifact]) -> None:
    figures = read_json(made["evaluation"] / "metrics.json")
    for model in ("hybrid", "student", "baseline", "upper_bound"):
        for way in ("", "@tags", "@views"):
            assert 0 <= figures[f"{model}/val/mIoU{way}"] <= 100
    assert figures["student/val/mIoU@tags"] >= figures["student/val/mIoU"]
    assert 0 <= figures["pseudo/mIoU"] <= 100


def test_the_page_shows_colour_maps(made: dict[str, Artifact]) -> None:
    page = (made["report"] / "index.html").read_text()
    assert "student" in page and "mIoU" in page
    assert page.count("data:image/jpeg") >= 8


def test_a_run_that_is_finished_makes_nothing_again(
    made: dict[str, Artifact], monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_work(monkeypatch)
    folder: Path | UPath = made["split"].folder.parent
    again = make(load_recipe("lpl_shapes", FEW), folder)
    assert {name: artifact.digest for name, artifact in again.items()} == {
        name: artifact.digest for name, artifact in made.items()
    }


def test_the_published_configuration_takes_its_steps_on_a_voc_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_voc(tmp_path / "data/VOCdevkit/VOC2012", strong="1234", weak="56", validation="7")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ray_wssis.training.run.train", train_here)
    monkeypatch.setattr("ray_wssis.streaming.stream.stream", stream_here)
    stages = [change for change in FEW if change.startswith(("hybrid", "student"))]
    small = [
        f"{stage}.{change}"
        for stage in ("hybrid", "student")
        for change in ("model.shorter=32", "model.longest=64", "augment.crop=32")
    ]
    changes = ["data.masks=4", "data.audit=0", "hybrid.weak_augment.crop=32", *stages, *small]
    folders = make(load_recipe("lpl_voc_92", changes), tmp_path / "run")
    assert len(Records.read(folders["split"] / STRONG)) == 4
    assert len(Records.read(folders["merged"] / PSEUDO_LABELS)) == 2
    assert len(Records.read(folders["merged"] / PSEUDO_LABELS).categories) == 21
    figures = read_json(folders["evaluation"] / "metrics.json")
    assert 0 <= figures["student/val/mIoU@views"] <= 100
