"""Tests of ray_wssis.semantic.split."""

import json
from pathlib import Path

import numpy as np
import pytest

from ray_wssis.artifacts import Artifact
from ray_wssis.config import ConfigError, check_config
from ray_wssis.data.class_maps.png import decode, present
from ray_wssis.data.records import Records
from ray_wssis.semantic.split import (
    ALL,
    AUDIT,
    STRONG,
    TAUGHT,
    VALIDATION,
    WEAK,
    WEAK_TRUTH,
    split,
)
from ray_wssis.semantic.split_config import FolderConfig, SemanticDataConfig
from tests.semantic.conftest import SHAPES
from tests.support.class_maps import MAP, write_image, write_map
from tests.support.run_in import run_in

NAMES = ("background", "cat", "dog")


def names(records: Records) -> list[str]:
    return [Path(record.file).stem for record in records]


def write_folder(folder: Path, images: str, maps: str) -> FolderConfig:
    """Write an image for each letter of `images`, and a class map for each of `maps`."""
    for letter in images:
        write_image(folder / f"images/{letter}.png")
    for letter in maps:
        write_map(folder / f"class_maps/{letter}.png", MAP)
    return FolderConfig(images=f"{folder}/images", class_maps=f"{folder}/class_maps", classes=NAMES)


def test_every_image_is_in_one_part(shapes_split: Artifact) -> None:
    parts = [Records.read(shapes_split / name) for name in (STRONG, WEAK, VALIDATION)]
    assert [len(part) for part in parts] == [8, 12, 4]
    assert len({record.image_id for part in parts for record in part}) == 24
    assert names(parts[2]) == ["000021", "000022", "000023", "000024"]
    assert len(Records.read(shapes_split / ALL)) == 20


def test_weak_images_have_the_tags_of_the_maps_they_hide(shapes_split: Artifact) -> None:
    weak, truth = (Records.read(shapes_split / name) for name in (WEAK, WEAK_TRUTH))
    for seen, hidden in zip(weak, truth, strict=True):
        assert seen.class_map is None and hidden.class_map is not None
        assert seen.tags == hidden.tags == present(decode(hidden.class_map))
        assert seen.tags[0] == 0


def test_the_strong_images_are_there_again_as_taught_and_audit(shapes_split: Artifact) -> None:
    strong, taught, audit = (Records.read(shapes_split / name) for name in (STRONG, TAUGHT, AUDIT))
    assert (len(taught), len(audit)) == (6, 2)
    assert sorted(names(taught) + names(audit)) == names(strong)
    shown = {label for record in strong for label in record.tags or ()}
    assert {label for record in taught for label in record.tags or ()} == shown


def test_the_manifest_counts_images_and_pixels(shapes_split: Artifact) -> None:
    manifest = json.loads((shapes_split / "shapes_8_split.json").read_text())
    strong = manifest["strong"]
    assert (manifest["masks"], strong["num_images"]) == (8, 8)
    assert strong["num_images_per_class"]["background"] == 8
    assert sum(strong["num_pixels_per_class"].values()) == 8 * 64 * 64
    assert strong["num_unknown_pixels"] == 0
    assert "num_pixels_per_class" not in manifest["weak"]
    assert manifest["weak"]["num_images_without_tags"] == 0


def test_fewer_masks_are_some_of_more(tmp_path: Path) -> None:
    kept = []
    for masks in (3, 8):
        config = SemanticDataConfig(semantic_shapes=SHAPES, masks=masks, audit=0)
        made = split(run_in(tmp_path / f"{masks}"), config)
        kept.append(set(names(Records.read(made / STRONG))))
    assert kept[0] < kept[1]


def test_tags_with_noise_are_wrong_and_their_truth_is_not(tmp_path: Path) -> None:
    config = SemanticDataConfig(semantic_shapes=SHAPES, masks=8, tag_noise=0.4)
    made = split(run_in(tmp_path), config)
    weak, truth = (Records.read(made / name) for name in (WEAK, WEAK_TRUTH))
    assert [record.tags for record in weak] != [record.tags for record in truth]
    for record in [*truth, *Records.read(made / STRONG)]:
        assert record.class_map is not None
        assert record.tags == present(decode(record.class_map))


def test_images_of_a_folder_without_a_map_are_weak_and_have_no_tags(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_folder(tmp_path, "abcdefg", "abcde")
    made = split(run_in(tmp_path / "run"), SemanticDataConfig(folder=folder, audit=0))
    weak = Records.read(made / WEAK)
    assert names(weak) == ["f", "g"]
    assert [record.tags for record in weak] == [None, None]
    assert len(Records.read(made / STRONG)) == 4 and len(Records.read(made / VALIDATION)) == 1
    assert not (made / WEAK_TRUTH).exists() and not (made / ALL).exists()
    assert f"2 of 2 weak images have no tags, for instance {tmp_path}/images/f.png" in caplog.text


def test_lists_name_strong_and_validation_images(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, "abcdef", "abcdef")
    strong, validation = tmp_path / "strong.txt", tmp_path / "validation.txt"
    strong.write_text("e\nb\na\n")
    validation.write_text("c.png\n")
    config = SemanticDataConfig(
        folder=folder, strong=str(strong), validation=str(validation), masks=2, audit=0
    )
    made = split(run_in(tmp_path / "run"), config)
    parts = {name: names(Records.read(made / name)) for name in (STRONG, WEAK, VALIDATION)}
    assert parts == {STRONG: ["e", "b"], WEAK: ["a", "d", "f"], VALIDATION: ["c"]}
    manifest = json.loads((made / "semantic_2_split.json").read_text())
    assert manifest["lists"]["strong.txt"]["num_lines"] == 3


def test_another_class_map_makes_another_split(tmp_path: Path) -> None:
    config = SemanticDataConfig(folder=write_folder(tmp_path, "abcd", "abc"), audit=0)
    first = split(run_in(tmp_path / "run"), config)
    assert split(run_in(tmp_path / "run"), config).digest == first.digest
    write_map(tmp_path / "class_maps/d.png", MAP)
    with pytest.raises(ValueError, match="class_maps"):
        split(run_in(tmp_path / "run"), config)


def test_an_audit_leaves_something_to_learn_each_class_from(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = SemanticDataConfig(folder=write_folder(tmp_path, "abc", "abc"), audit=0.5)
    made = split(run_in(tmp_path / "run"), config)
    assert len(Records.read(made / TAUGHT)) == 2 and not len(Records.read(made / AUDIT))
    assert "none of the 2 strong images can be spared for the audit" in caplog.text


def test_classes_that_no_strong_image_shows_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_folder(tmp_path, "abcd", "abcd")
    write_map(tmp_path / "class_maps/a.png", np.zeros_like(MAP))
    (tmp_path / "strong.txt").write_text("a\n")
    config = SemanticDataConfig(folder=folder, strong=str(tmp_path / "strong.txt"), audit=0)
    split(run_in(tmp_path / "run"), config)
    assert (
        "2 of 3 classes are in weak or validation images and no strong image shows them, so "
        "nothing can teach them: cat, dog. Try another seed, or more class maps" in caplog.text
    )


def test_more_masks_than_there_are_is_an_error(tmp_path: Path) -> None:
    config = SemanticDataConfig(folder=write_folder(tmp_path, "abcd", "abc"), masks=3)
    with pytest.raises(ValueError, match="masks is 3, but only 2 images have a class map to keep"):
        split(run_in(tmp_path / "run"), config)


def test_strong_images_without_a_map_are_an_error(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, "abcd", "abc")
    (tmp_path / "strong.txt").write_text("a\nd\n")
    config = SemanticDataConfig(folder=folder, strong=str(tmp_path / "strong.txt"))
    with pytest.raises(ValueError, match="1 of 2 strong images have no class map, for instance"):
        split(run_in(tmp_path / "run"), config)


def test_maps_of_unknown_pixels_teach_nothing(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, "abc", "")
    for letter in "abc":
        write_map(tmp_path / f"class_maps/{letter}.png", np.full_like(MAP, 255))
    with pytest.raises(ValueError, match="nothing to teach: none of the 2 strong images has a"):
        split(run_in(tmp_path / "run"), SemanticDataConfig(folder=folder))


@pytest.mark.parametrize(
    "values, complaint",
    [
        ({}, "give exactly one of semantic_shapes, .*; given are none"),
        ({"annotations": "a.json"}, "annotations and images go together"),
        (
            {"voc": {"root": "a"}, "cityscapes": {"root": "a"}},
            "given are voc, cityscapes",
        ),
        (
            {"semantic_shapes": {}, "strong": "a.txt"},
            "semantic_shapes has its own strong: leave that out",
        ),
        (
            {"folder": {"images": "a", "class_maps": "b", "classes": "c"}, "masks": 0},
            "masks",
        ),
    ],
)
def test_configurations_that_make_no_sense_are_refused(
    values: dict[str, object], complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        check_config(SemanticDataConfig, values, "here")


def test_with_tags_alone_every_class_map_audits(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, images="abcdef", maps="abcd")
    tags = tmp_path / "tags.csv"
    tags.write_text("e.png,cat\nf.png,dog\n")
    config = SemanticDataConfig(folder=folder, tags=str(tags), audit=1, validation_percent=25)
    made = split(run_in(tmp_path / "run"), config)
    sizes = {name: len(Records.read(made / name)) for name in (STRONG, TAUGHT, AUDIT, WEAK)}
    assert sizes == {STRONG: 3, TAUGHT: 0, AUDIT: 3, WEAK: 2}


def test_with_tags_alone_a_class_map_to_validate_on_is_enough(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, images="abc", maps="a")
    tags = tmp_path / "tags.csv"
    tags.write_text("b.png,cat\nc.png,dog\n")
    config = SemanticDataConfig(folder=folder, tags=str(tags), audit=1)
    made = split(run_in(tmp_path / "run"), config)
    assert not len(Records.read(made / AUDIT)) and len(Records.read(made / WEAK)) == 2


def test_with_tags_alone_somebody_must_have_named_a_class(tmp_path: Path) -> None:
    config = SemanticDataConfig(folder=write_folder(tmp_path, images="abc", maps="a"), audit=1)
    with pytest.raises(ValueError, match="none of the 2 weak images has the tag of a class"):
        split(run_in(tmp_path / "run"), config)


def test_a_share_of_most_class_maps_is_refused() -> None:
    with pytest.raises(ValueError, match=r"audit is 0\.8: it is a share up to 0\.5, or 1"):
        SemanticDataConfig(annotations="a.json", images="b", audit=0.8)
