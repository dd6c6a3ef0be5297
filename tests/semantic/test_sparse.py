"""Tests of ray_wssis.semantic.sparse, through the split."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ray_wssis.artifacts import Artifact
from ray_wssis.config import ConfigError, check_config
from ray_wssis.data.class_maps.png import UNKNOWN, decode, present
from ray_wssis.data.records import Records
from ray_wssis.data.sparse.config import SparseConfig, SparseLabelsConfig
from ray_wssis.semantic.split import ALL, AUDIT, SPARSE, VALIDATION, WEAK_TRUTH, split
from ray_wssis.semantic.split_config import FolderConfig, SemanticDataConfig, VocConfig
from tests.semantic.conftest import SHAPES
from tests.support.class_maps import MAP, write_image, write_map, write_voc
from tests.support.coco_files import coco
from tests.support.run_in import run_in

CLICKS = SparseConfig.model_validate({"kind": "points", "per_class": 2})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    config = SemanticDataConfig(name="shapes", semantic_shapes=SHAPES, sparse=CLICKS, audit=0.1)
    return split(run_in(tmp_path_factory.mktemp("sparse")), config)


def test_no_training_image_has_a_full_map(made: Artifact) -> None:
    sparse, truth = (Records.read(made / name) for name in (SPARSE, WEAK_TRUTH))
    assert len(sparse) == 18
    for seen, hidden in zip(sparse, truth, strict=True):
        assert seen.class_map is not None and hidden.class_map is not None
        drawn, full = decode(seen.class_map), decode(hidden.class_map)
        annotated = drawn != UNKNOWN
        assert (drawn[annotated] == full[annotated]).all()
        assert [int((drawn == label).sum()) for label in present(full)] == [2] * len(present(full))
        assert seen.tags == hidden.tags == present(drawn)


def test_audit_images_keep_their_maps_and_are_not_learnt_from(made: Artifact) -> None:
    parts = [Records.read(made / name) for name in (SPARSE, AUDIT, VALIDATION)]
    assert [len(part) for part in parts] == [18, 2, 4]
    assert len({record.image_id for part in parts for record in part}) == 24
    for record in parts[1]:
        assert record.class_map is not None and UNKNOWN not in decode(record.class_map)
    assert len(Records.read(made / ALL)) == 20


def test_the_manifest_counts_annotated_pixels(made: Artifact) -> None:
    manifest = json.loads((made / "shapes_points_split.json").read_text())
    counted = manifest["sparse"]
    assert manifest["how"]["per_class"] == 2
    assert counted["num_pixels_per_class"]["background"] == 2 * 18
    assert sum(counted["num_pixels_per_class"].values()) + counted["num_unknown_pixels"] == (
        18 * 64 * 64
    )
    assert counted["classes_without_annotation"] == []


def write_folder(root: Path, images: str, maps: str) -> FolderConfig:
    for letter in images:
        write_image(root / f"images/{letter}.png")
    for letter in maps:
        write_map(root / f"class_maps/{letter}.png", MAP)
    return FolderConfig(
        images=f"{root}/images", class_maps=f"{root}/class_maps", classes=("a", "b", "c")
    )


def test_images_and_classes_without_annotation_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_folder(tmp_path, "abcd", "abc")
    write_map(tmp_path / "class_maps/a.png", np.zeros_like(MAP))
    (tmp_path / "val.txt").write_text("b\nc\n")
    config = SemanticDataConfig(
        folder=folder, validation=str(tmp_path / "val.txt"), sparse=CLICKS, audit=0
    )
    made = split(run_in(tmp_path / "run"), config)
    assert [Path(record.file).stem for record in Records.read(made / SPARSE)] == ["a"]
    assert (
        "1 of 2 training images have no annotated pixel and are left out, for instance "
        f"{tmp_path}/images/d.png" in caplog.text
    )
    assert (
        "2 of 3 classes are in the images and no training image has an annotated pixel of them, "
        "so nothing can teach them: b, c. Annotate some" in caplog.text
    )
    manifest = json.loads((made / "semantic_points_split.json").read_text())
    assert manifest["sparse"]["classes_without_annotation"] == ["b", "c"]


def test_tags_of_a_table_add_to_those_of_annotated_pixels(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, "abc", "abc")
    write_map(tmp_path / "class_maps/a.png", np.where(MAP == 2, UNKNOWN, MAP).astype(np.uint8))
    (tmp_path / "val.txt").write_text("c\n")
    (tmp_path / "tags.csv").write_text("a,c\n")
    config = SemanticDataConfig(
        folder=folder,
        validation=str(tmp_path / "val.txt"),
        tags=str(tmp_path / "tags.csv"),
        sparse=CLICKS,
        audit=0,
    )
    made = split(run_in(tmp_path / "run"), config)
    assert [record.tags for record in Records.read(made / SPARSE)] == [(0, 1, 2), (0, 1, 2)]


def test_maps_without_a_class_teach_nothing(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, "abc", "")
    for letter in "abc":
        write_map(tmp_path / f"class_maps/{letter}.png", np.full_like(MAP, UNKNOWN))
    with pytest.raises(ValueError, match="none of the 2 training images has an annotated pixel"):
        split(run_in(tmp_path / "run"), SemanticDataConfig(folder=folder, sparse=CLICKS))


@pytest.mark.parametrize(
    "values", [{"masks": 3}, {"tag_noise": 0.1}, {"cityscapes": {"root": "x"}, "strong": "a.txt"}]
)
def test_what_makes_images_strong_or_weak_is_refused(values: dict[str, object]) -> None:
    source: dict[str, object] = {} if "cityscapes" in values else {"semantic_shapes": {}}
    keys = source | {"sparse": {"kind": "points"}} | values
    with pytest.raises(ConfigError, match=r"no training image keeps its class map.*: leave out"):
        check_config(SemanticDataConfig, keys, "here")


def test_points_of_somebody_are_the_labels_of_a_voc_tree(tmp_path: Path) -> None:
    root = write_voc(tmp_path / "voc", "123", "", "45")
    points = tmp_path / "points.json"
    click = {"x": 2, "y": 1, "cls": 15}
    points.write_text(json.dumps({"2007_000001": [click], "2007_000004": [click]}))
    labels = SparseLabelsConfig.model_validate({"labels": str(points)})
    config = SemanticDataConfig(voc=VocConfig(root=str(root)), sparse_labels=labels, audit=0)
    made = split(run_in(tmp_path / "run"), config)
    (record,) = Records.read(made / SPARSE)
    assert record.file.endswith("2007_000001.jpg") and record.tags == (0, 15)
    assert record.class_map is not None
    assert np.argwhere(decode(record.class_map) != UNKNOWN).tolist() == [[1, 2]]
    assert len(Records.read(made / VALIDATION)) == 2
    points.write_text(json.dumps({"2007_000002": [click]}))
    with pytest.raises(ValueError, match="points"):
        split(run_in(tmp_path / "run"), config)


def test_labels_of_unknown_classes_are_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, "abcd", "abcd")
    (tmp_path / "points.csv").write_text("image,x,y,class\na.png,1.5,1,a\na.png,1,2,z\n")
    labels = SparseLabelsConfig(labels=(f"{tmp_path}/points.csv",))
    (tmp_path / "val.txt").write_text("d\n")
    config = SemanticDataConfig(
        folder=folder, validation=f"{tmp_path}/val.txt", sparse_labels=labels, audit=0
    )
    with pytest.raises(ValueError, match=r"points.csv: line 3 \(a.png\): the class 'z'; wanted"):
        split(run_in(tmp_path / "run"), config)


def test_class_maps_that_are_the_sparse_labels_themselves_are_no_truth(tmp_path: Path) -> None:
    strokes = np.full_like(MAP, UNKNOWN)
    strokes[0] = MAP[0]
    folder = write_folder(tmp_path, "abcdef", "")
    for letter in "abcdef":
        write_map(tmp_path / f"class_maps/{letter}.png", strokes)
    labels = SparseLabelsConfig(labels=(folder.class_maps,))
    made = split(
        run_in(tmp_path / "run"),
        SemanticDataConfig(folder=folder, sparse_labels=labels, audit=0.5),
    )
    sizes = [len(Records.read(made / name)) for name in (SPARSE, AUDIT, VALIDATION)]
    assert sizes == [5, 0, 1]
    assert not (made / WEAK_TRUTH).exists() and not (made / ALL).exists()
    for record in Records.read(made / SPARSE):
        assert record.class_map is not None and record.tags == (0, 1, 2)
        assert (decode(record.class_map) == strokes).all()


def test_an_instance_project_teaches_a_semantic_network(tmp_path: Path) -> None:
    """Its files are those of `wssis data split`: masks, points, and masks to validate with."""
    square = {"segmentation": [[0, 0, 2, 0, 2, 2, 0, 2]]}
    known: dict[str, dict[str, Any]] = {
        "strong": square,
        "weak": {"point": [5.5, 3.5]},
        "val": square,
    }
    for name, annotation in known.items():
        write_image(tmp_path / f"images/{name}.png")
        content = coco(annotation)
        content["images"][0]["file_name"] = f"{name}.png"
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    config = SemanticDataConfig(
        annotations=f"{tmp_path}/strong.json",
        images=f"{tmp_path}/images",
        validation=f"{tmp_path}/val.json",
        sparse_labels=SparseLabelsConfig(
            labels=(f"{tmp_path}/strong.json", f"{tmp_path}/weak.json")
        ),
        audit=0,
    )
    made = split(run_in(tmp_path / "run"), config)
    sparse, validation = (Records.read(made / name) for name in (SPARSE, VALIDATION))
    assert [Path(record.file).stem for record in validation] == ["val"]
    assert [Path(record.file).stem for record in sparse] == ["strong", "weak"]
    strong, weak = (decode(record.class_map or b"") for record in sparse)
    assert strong[0].tolist() == [2, 2, 0, 0, 0, 0]
    assert weak[3].tolist() == [UNKNOWN] * 5 + [2] and (weak != UNKNOWN).sum() == 1
    assert [record.tags for record in sparse] == [(0, 2), (0, 2)]
