from pathlib import Path

import pytest
from upath import UPath

from ray_wssis.artifacts import Artifact
from ray_wssis.data.coco import write_coco
from ray_wssis.data.records import Category, Records
from ray_wssis.stages.split import (
    ALL,
    STRONG,
    VALIDATION,
    WEAK,
    WEAK_TRUTH,
    DataConfig,
    ShapesConfig,
    split,
)


def test_every_picture_is_in_one_part(data: Artifact) -> None:
    strong, weak, validation = (Records.read(data / name) for name in (STRONG, WEAK, VALIDATION))
    ids = [record.image_id for part in (strong, weak, validation) for record in part]
    assert len(ids) == len(set(ids)) == 10
    assert (len(strong), len(weak), len(validation)) == (2, 6, 2)
    assert len(Records.read(data / ALL)) == 8


def test_weak_pictures_have_points_and_no_masks(data: Artifact) -> None:
    for weak, truth in zip(Records.read(data / WEAK), Records.read(data / WEAK_TRUTH), strict=True):
        assert not any(weak.masks) and all(weak.points) and all(truth.masks)
        assert weak.annotation_ids == truth.annotation_ids and weak.points == truth.points


def test_the_same_seed_makes_the_same_split(data: Artifact, tmp_path: Path) -> None:
    shapes = ShapesConfig(num_images=8, num_validation_images=2, size=64)
    config = DataConfig(name="shapes", shapes=shapes, percent=25)
    again = split(config, 0, UPath(tmp_path / "again"), redo=False)
    other = split(config, 1, UPath(tmp_path / "other"), redo=False)
    first = [record.image_id for record in Records.read(data / STRONG)]
    assert [record.image_id for record in Records.read(again / STRONG)] == first
    assert again.manifest["outputs"].keys() == data.manifest["outputs"].keys()
    assert other.digest != again.digest


def given(data: Artifact, folder: Path, **changed: Records) -> DataConfig:
    """The parts of a split as the COCO files that somebody else would bring."""
    parts = {
        "strong": Records.read(data / STRONG),
        "weak": Records.read(data / WEAK_TRUTH),
        "validation": Records.read(data / VALIDATION),
    } | changed
    for name, records in parts.items():
        write_coco(records, UPath(folder / f"{name}.json"))
    images = str(UPath(Records.read(data / STRONG)[0].file).parent)
    return DataConfig(
        strong=str(folder / "strong.json"),
        weak=str(folder / "weak.json"),
        validation=str(folder / "validation.json"),
        images=images,
    )


def test_masks_in_a_weak_file_are_hidden(data: Artifact, tmp_path: Path) -> None:
    made = split(given(data, tmp_path), 0, UPath(tmp_path / "split"), redo=False)
    assert not any(mask for record in Records.read(made / WEAK) for mask in record.masks)
    assert all(mask for record in Records.read(made / WEAK_TRUTH) for mask in record.masks)


def test_a_class_that_no_strong_picture_has_keeps_its_place(data: Artifact, tmp_path: Path) -> None:
    strong = Records.read(data / STRONG)
    without = [record.keep(i for i, x in enumerate(record.labels) if x) for record in strong]
    config = given(data, tmp_path, strong=Records.from_rows(without, strong.categories))
    made = split(config, 0, UPath(tmp_path / "split"), redo=False)
    assert Records.read(made / STRONG).categories == strong.categories
    assert all(0 not in record.labels for record in Records.read(made / STRONG))
    assert any(0 in record.labels for record in Records.read(made / WEAK))


def test_files_with_other_categories_are_refused(data: Artifact, tmp_path: Path) -> None:
    weak = Records.read(data / WEAK_TRUTH)
    renamed = [*weak.categories[:-1], Category(id=weak.categories[-1].id, name="cog")]
    config = given(data, tmp_path, weak=Records.from_rows(weak, renamed))
    with pytest.raises(ValueError, match=r"weak\.json has other categories than .*'cog'"):
        split(config, 0, UPath(tmp_path / "split"), redo=False)
