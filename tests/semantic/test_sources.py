"""Tests of ray_wssis.semantic.sources: splits of trees in their published layouts."""

import json
from pathlib import Path

import pytest

from ray_wssis.artifacts import Artifact
from ray_wssis.data.records import Records
from ray_wssis.semantic.split import STRONG, VALIDATION, WEAK, WEAK_TRUTH, split
from ray_wssis.semantic.split_config import (
    CityscapesConfig,
    FolderConfig,
    SemanticDataConfig,
    VocConfig,
)
from tests.support.class_maps import MAP, write_cityscapes, write_image, write_map, write_voc
from tests.support.run_in import run_in


def names(made: Artifact, part: str) -> list[str]:
    return [Path(record.file).stem for record in Records.read(made / part)]


def test_the_first_names_of_a_list_of_voc_keep_their_maps(tmp_path: Path) -> None:
    voc = VocConfig(root=str(write_voc(tmp_path / "voc", "312", "45", "67")))
    made = split(run_in(tmp_path / "run"), SemanticDataConfig(voc=voc, masks=2, audit=0))
    assert names(made, STRONG) == ["2007_000003", "2007_000001"]
    assert names(made, WEAK) == ["2007_000002", "2007_000004", "2007_000005"]
    assert names(made, VALIDATION) == ["2007_000006", "2007_000007"]
    assert [record.tags for record in Records.read(made / WEAK)] == [(0, 15), *[(0, 1, 2)] * 2]
    lists = json.loads((made / "semantic_2_split.json").read_text())["lists"]
    assert {file: entry["num_lines"] for file, entry in lists.items()} == {
        "train.txt": 3,
        "trainaug.txt": 5,
        "val.txt": 2,
    }


def test_lists_that_overlap_with_validation_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    voc = VocConfig(root=str(write_voc(tmp_path / "voc", "123", "45", "35")))
    made = split(run_in(tmp_path / "run"), SemanticDataConfig(voc=voc, audit=0))
    assert names(made, STRONG) == ["2007_000001", "2007_000002"]
    assert names(made, WEAK) == ["2007_000004"]
    for part, number in (("strong", 3), ("weak", 5)):
        assert f"of {number} images of the {part} list are validation images too" in caplog.text


def test_cityscapes_is_split_by_its_folders(tmp_path: Path) -> None:
    train = [f"aachen_000000_00000{number}" for number in range(4)]
    root = write_cityscapes(tmp_path / "city", train, ["ulm_000000_000001"])
    (tmp_path / "list.txt").write_text(f"aachen/{train[2]}_leftImg8bit.png\n{train[0]}_leftImg8bit")
    config = SemanticDataConfig(
        cityscapes=CityscapesConfig(root=str(root)), strong=str(tmp_path / "list.txt"), audit=0
    )
    made = split(run_in(tmp_path / "run"), config)
    assert names(made, STRONG) == [f"{train[i]}_leftImg8bit" for i in (2, 0)]
    assert names(made, WEAK) == [f"{train[i]}_leftImg8bit" for i in (1, 3)]
    assert names(made, VALIDATION) == ["ulm_000000_000001_leftImg8bit"]
    assert {record.tags for record in Records.read(made / WEAK)} == {(0, 11)}


def write_coco(folder: Path) -> SemanticDataConfig:
    """Write a COCO file of six images, the last with tags."""
    square = [[0, 0, 2, 0, 2, 4, 0, 4]]
    content = {
        "images": [
            {"id": i, "file_name": f"{i}.png", "width": 6, "height": 4}
            | ({"tags": ["cat"]} if i == 5 else {})
            for i in range(6)
        ],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 2, "segmentation": square} for i in range(6)
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }
    for i in range(6):
        write_image(folder / f"{i}.png")
    (folder / "all.json").write_text(json.dumps(content))
    (folder / "strong.txt").write_text("0\n1\n")
    (folder / "validation.txt").write_text("2\n")
    return SemanticDataConfig(
        annotations=f"{folder}/all.json",
        images=str(folder),
        strong=f"{folder}/strong.txt",
        validation=f"{folder}/validation.txt",
        audit=0,
    )


def test_tags_of_a_coco_file_come_before_those_of_its_masks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = split(run_in(tmp_path / "run"), write_coco(tmp_path))
    weak = Records.read(made / WEAK)
    assert [record.tags for record in weak] == [(0, 2), (0, 2), (0, 1)]
    truth = Records.read(made / WEAK_TRUTH)
    assert [record.tags for record in truth] == [(0, 2), (0, 2), (0, 1, 2)]
    assert "1 of 6 images lack the tag of a class that their class map shows, dog for" in (
        caplog.text
    )


def test_a_table_of_tags_replaces_those_of_the_maps(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for letter in "abcdefg":
        write_image(tmp_path / f"images/{letter}.png")
        write_map(tmp_path / f"class_maps/{letter}.png", MAP)
    for name, text in (
        ("strong.txt", "a\n"),
        ("validation.txt", "b\n"),
        ("tags.csv", "a,cat\nc,cat\nd,dog;cat\ne,\n"),
    ):
        (tmp_path / name).write_text(text)
    config = SemanticDataConfig(
        folder=FolderConfig(
            images=f"{tmp_path}/images",
            class_maps=f"{tmp_path}/class_maps",
            classes=("background", "cat", "dog"),
        ),
        strong=f"{tmp_path}/strong.txt",
        validation=f"{tmp_path}/validation.txt",
        tags=f"{tmp_path}/tags.csv",
        audit=0,
    )
    made = split(run_in(tmp_path / "run"), config)
    weak = Records.read(made / WEAK)
    assert [record.tags for record in weak] == [(0, 1), (0, 1, 2), (0,), None, None]
    assert Records.read(made / STRONG)[0].tags == (0, 1, 2)
    assert "3 of 4 images lack the tag of a class that their class map shows" in caplog.text
    assert "2 of 5 weak images have no tags" in caplog.text
