"""AGMM from end to end on a handful of images: every stage real, only Ray's workers stay out."""

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
from ray_wssis.semantic.split import SPARSE, WEAK_TRUTH
from ray_wssis.storage import read_json
from ray_wssis.streaming.table import read_rows
from tests.support.class_maps import write_cityscapes, write_map, write_voc
from tests.support.in_process import stream_here, train_here
from tests.support.made import make
from tests.support.tiny_semantic import NETWORK

slow = pytest.mark.slow

STUDENT = (
    "{{model: {{network: {}, shorter: 64, longest: 128}}, augment: {{crop: 64}}, training: {}}}"
)
TRAINING = "{steps: 2, batch_size: 4, warmup_steps: 0}"
FEW = [
    "data.semantic_shapes={num_images: 12, num_validation_images: 3}",
    "data.audit=0.2",
    f"agmm.model.network={NETWORK}",
    "agmm.terms.soft=0.3",
    f"agmm.training={TRAINING}",
    "labelling={views: {scales: [0.5, 1.0], flip: true}}",
    f"student={STUDENT.format(NETWORK, TRAINING)}",
    "baseline=true",
    "upper_bound=true",
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ray_wssis.training.run.train", train_here)
        patch.setattr("ray_wssis.streaming.stream.stream", stream_here)
        return make(load_recipe("agmm_shapes", FEW), tmp_path_factory.mktemp("agmm") / "run")


@slow
def test_every_stage_is_made(made: dict[str, Artifact]) -> None:
    assert list(made) == load_recipe("agmm_shapes", FEW).stages()


@slow
def test_what_somebody_annotated_keeps_its_label(made: dict[str, Artifact]) -> None:
    rows = {row["image_id"]: row for row in read_rows(made["labels"] / ROWS, source="sparse")}
    images = list(Records.read(made["split"] / SPARSE))
    assert images
    for record in images:
        assert record.class_map is not None and record.tags is not None
        given, row = decode(record.class_map), rows[record.image_id]
        drawn = decode(row["class_map"])
        assert (drawn == given)[given != UNKNOWN].all()
        assert (decode(row["confidence"])[given != UNKNOWN] == 255).all()
        assert set(np.unique(drawn)) <= set(record.tags)


@slow
def test_audit_images_are_drawn_like_any_other(made: dict[str, Artifact]) -> None:
    audit = read_json(made["audit"] / "audit.json")
    assert audit["num_audit_images"] == 2
    assert audit["pixel_accuracy"]["audit_mean"] < 1  # their full class maps are not used
    assert len(read_rows(made["labels"] / ROWS, source="audit")) == 2


@slow
def test_the_student_learns_the_labels_of_the_same_images(made: dict[str, Artifact]) -> None:
    rows = read_rows(made["labels"] / ROWS, source=UPath(SPARSE).stem)
    pseudo = Records.read(made["merged"] / PSEUDO_LABELS)
    labels = {row["image_id"]: row["class_map"] for row in rows}
    assert {record.image_id: record.class_map for record in pseudo} == labels
    assert len(Records.read(made["split"] / WEAK_TRUTH)) == len(pseudo) == 10


@slow
def test_every_model_is_measured_and_the_page_shows_them(made: dict[str, Artifact]) -> None:
    figures = read_json(made["evaluation"] / "metrics.json")
    for model in ("agmm", "student", "baseline", "upper_bound"):
        assert 0 <= figures[f"{model}/val/mIoU"] <= 100
    assert 0 <= figures["pseudo/mIoU"] <= 100
    page = (made["report"] / "index.html").read_text()
    assert "sparsely annotated images" in page
    assert page.count("data:image/jpeg") >= 6


@slow
def test_without_labels_the_network_is_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray_wssis.training.run.train", train_here)
    monkeypatch.setattr("ray_wssis.streaming.stream.stream", stream_here)
    config = load_recipe("agmm_shapes", FEW[:5])
    made = make(config, tmp_path / "run")
    assert list(made) == config.stages() == ["split", "agmm", "evaluation", "report"]
    page = (made["report"] / "index.html").read_text()
    assert "The segmenter reaches" in page
    assert "Pseudo labels</h2>" not in page


def test_a_student_needs_labels() -> None:
    with pytest.raises(ConfigError, match="give labelling too"):
        load_recipe("agmm_shapes", [*FEW[:5], FEW[6]])


@pytest.mark.parametrize("name", ["agmm_voc_points", "agmm_voc_scribbles"])
@slow
def test_the_published_configurations_take_their_steps_on_a_voc_tree(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_voc(tmp_path / "data/VOCdevkit/VOC2012", strong="12", weak="34", validation="7")
    labels = load_recipe(name).model_dump()["data"]["sparse_labels"]["labels"][0]
    for letter in "1234":
        given = np.full((4, 6), UNKNOWN, np.uint8)
        given[1, 1], given[2, 4] = 0, 1
        write_map(tmp_path / labels / f"2007_00000{letter}.png", given)
    folders = take_steps(name, tmp_path, monkeypatch)
    sparse = Records.read(folders["split"] / SPARSE)
    assert [record.tags for record in sparse] == [(0, 1)] * 4
    assert len(sparse.categories) == 21
    figures = read_json(folders["evaluation"] / "metrics.json")
    assert 0 <= figures["agmm/val/mIoU@views"] <= 100


@pytest.mark.parametrize("clicks", [20, 50, 100])
@slow
def test_the_published_configurations_take_their_steps_on_a_cityscapes_tree(
    clicks: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = [f"aachen_00000{number}_000019" for number in range(4)]
    write_cityscapes(tmp_path / "data/cityscapes", train, ["ulm_000000_000019"])
    folders = take_steps(f"agmm_cityscapes_{clicks}", tmp_path, monkeypatch)
    assert len(Records.read(folders["split"] / SPARSE)) == 4
    assert 0 <= read_json(folders["evaluation"] / "metrics.json")["agmm/val/mIoU"] <= 100


def take_steps(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Artifact]:
    """Train a few steps of a configuration with a small network."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr("ray_wssis.training.run.train", train_here)
    monkeypatch.setattr("ray_wssis.streaming.stream.stream", stream_here)
    small = [
        f"agmm.model.network={NETWORK}",
        "agmm.model.shorter=32",
        "agmm.model.longest=64",
        "agmm.augment.crop=32",
        f"agmm.training={TRAINING}",
    ]
    return make(load_recipe(name, small), folder / "run")
