import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
from upath import UPath

from ray_wssis.artifacts import Artifact
from ray_wssis.data.coco.crowds import Crowds
from ray_wssis.data.coco.read import read_coco
from ray_wssis.data.coco.write import write_coco
from ray_wssis.data.points.clicked import click_depths
from ray_wssis.data.points.draw import draw_point
from ray_wssis.data.records import Category, Object, Record, Records
from ray_wssis.instance.split import (
    ALL,
    AUDIT,
    REJECTED,
    STRONG,
    TAUGHT,
    VALIDATION,
    WEAK,
    WEAK_TRUTH,
    gather_given,
    split,
)
from ray_wssis.instance.split_config import DataConfig, ShapesConfig
from ray_wssis.masks import bounding_box, from_polygons
from tests.support.run_in import run_in


def test_every_image_is_in_one_part(data: Artifact) -> None:
    strong, weak, validation = (Records.read(data / name) for name in (STRONG, WEAK, VALIDATION))
    ids = [record.image_id for part in (strong, weak, validation) for record in part]
    assert len(ids) == len(set(ids)) == 10
    assert (len(strong), len(weak), len(validation)) == (2, 6, 2)
    assert len(Records.read(data / ALL)) == 8


def test_weak_images_have_points_and_no_masks(data: Artifact) -> None:
    for weak, truth in zip(Records.read(data / WEAK), Records.read(data / WEAK_TRUTH), strict=True):
        for obj, known in zip(weak.objects, truth.objects, strict=True):
            assert not obj.mask and obj.point and known.mask
            assert obj.annotation_id == known.annotation_id and obj.point == known.point


def test_the_same_seed_makes_the_same_split(data: Artifact, tmp_path: Path) -> None:
    shapes = ShapesConfig(num_images=8, num_validation_images=2, size=64)
    config = DataConfig(name="shapes", shapes=shapes, percent=25)
    again = split(run_in(tmp_path / "again"), config)
    other = split(run_in(tmp_path / "other", seed=1), config)
    first = [record.image_id for record in Records.read(data / STRONG)]
    assert [record.image_id for record in Records.read(again / STRONG)] == first
    assert again.manifest["outputs"].keys() == data.manifest["outputs"].keys()
    assert other.digest != again.digest


def ids(records: Records) -> list[int]:
    return [record.image_id for record in records]


def labels(records: Records) -> set[int]:
    return {obj.label for record in records for obj in record.objects}


def annotation_ids(record: Record) -> list[int]:
    return [obj.annotation_id for obj in record.objects]


def test_the_strong_images_are_there_again_as_taught_and_audit(tmp_path: Path) -> None:
    shapes = ShapesConfig(num_images=40, num_validation_images=2, size=64)
    config = DataConfig(name="shapes", shapes=shapes, percent=50, audit=0.2)
    made = split(run_in(tmp_path), config)
    strong, taught, audit = (Records.read(made / name) for name in (STRONG, TAUGHT, AUDIT))
    assert (len(strong), len(taught), len(audit)) == (20, 16, 4)
    everything = {record.image_id: record for record in strong}
    assert {record.image_id: record for record in [*taught, *audit]} == everything
    assert all(obj.mask and obj.point for record in audit for obj in record.objects)
    assert labels(taught) == set(range(len(strong.categories)))
    manifest = json.loads((made / "shapes_50p_split.json").read_text())
    assert [manifest[part]["num_images"] for part in ("strong", "taught", "audit")] == [20, 16, 4]
    assert manifest["audit"]["num_instances"] == sum(len(record.objects) for record in audit)


def test_without_an_audit_all_strong_images_are_taught(tmp_path: Path) -> None:
    shapes = ShapesConfig(num_images=16, num_validation_images=2, size=64)
    config = DataConfig(name="shapes", shapes=shapes, percent=50, audit=0)
    made = split(run_in(tmp_path), config)
    assert list(Records.read(made / TAUGHT)) == list(Records.read(made / STRONG))
    assert len(Records.read(made / AUDIT)) == 0
    assert Records.read(made / AUDIT).categories == Records.read(made / STRONG).categories


def test_too_few_strong_images_for_an_audit_are_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shapes = ShapesConfig(num_images=8, num_validation_images=2, size=64)
    config = DataConfig(name="shapes", shapes=shapes, percent=25)
    made = split(run_in(tmp_path), config)
    assert len(Records.read(made / AUDIT)) == 0 and len(Records.read(made / TAUGHT)) == 2
    assert "none of the 2 strong images can be spared for the audit" in caplog.text


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
    made = split(run_in(tmp_path), given(data, tmp_path))
    assert not any(obj.mask for record in Records.read(made / WEAK) for obj in record.objects)
    assert all(obj.mask for record in Records.read(made / WEAK_TRUTH) for obj in record.objects)


def clicked(records: Records, every: int) -> Records:
    """Click into the middle of every so-many-th object, and nowhere else; 0: of none."""

    def click(obj: Object, record: Record) -> Object:
        bare = replace(obj, point=None)
        if not every or obj.annotation_id % every:
            return bare
        assert obj.mask is not None
        size = record.height, record.width
        return replace(
            bare, point=draw_point(obj.mask, *size, kind="center", seed=0, annotation_id=0)
        )

    return Records.from_rows(
        (
            replace(record, objects=tuple(click(obj, record) for obj in record.objects))
            for record in records
        ),
        records.categories,
    )


def test_points_on_masks_lie_where_people_click(tmp_path: Path) -> None:
    shapes = ShapesConfig(num_images=40, num_validation_images=10, size=64)
    data = split(run_in(tmp_path / "shapes"), DataConfig(shapes=shapes, percent=50))
    config = given(
        data,
        tmp_path,
        strong=clicked(Records.read(data / STRONG), every=2),
        weak=clicked(Records.read(data / WEAK_TRUTH), every=0),
        validation=clicked(Records.read(data / VALIDATION), every=0),
    )
    made = split(run_in(tmp_path / "run"), config.model_copy(update={"point": "clicked"}))
    for name in (STRONG, WEAK_TRUTH, VALIDATION):
        assert click_depths(Records.read(made / name)) == pytest.approx(1), name


def test_a_handful_of_clicks_does_not_tell_where_people_click(
    data: Artifact, tmp_path: Path
) -> None:
    config = given(data, tmp_path).model_copy(update={"point": "clicked"})
    with pytest.raises(ValueError, match=r"only \d+ objects have a mask and a point that somebody"):
        split(run_in(tmp_path), config)


def test_nobody_clicked_on_the_shapes() -> None:
    with pytest.raises(ValueError, match="nobody clicked on the shapes"):
        DataConfig(shapes=ShapesConfig(), point="clicked")


def test_a_class_that_no_strong_image_has_keeps_its_place(data: Artifact, tmp_path: Path) -> None:
    strong = Records.read(data / STRONG)
    without = [
        replace(record, objects=tuple(obj for obj in record.objects if obj.label))
        for record in strong
    ]
    config = given(data, tmp_path, strong=Records.from_rows(without, strong.categories))
    made = split(run_in(tmp_path), config)
    assert Records.read(made / STRONG).categories == strong.categories
    assert 0 not in labels(Records.read(made / STRONG))
    assert 0 in labels(Records.read(made / WEAK))


def test_files_with_other_categories_are_refused(data: Artifact, tmp_path: Path) -> None:
    weak = Records.read(data / WEAK_TRUTH)
    renamed = [*weak.categories[:-1], Category(id=weak.categories[-1].id, name="cog")]
    config = given(data, tmp_path, weak=Records.from_rows(weak, renamed))
    with pytest.raises(ValueError, match=r"weak\.json has other categories than .*'cog'"):
        split(run_in(tmp_path), config)


def boxes_only(file: str) -> None:
    """Take masks and points out of a COCO file and leave the boxes."""
    data = json.loads(Path(file).read_text())
    data["annotations"] = [
        {key: entry[key] for key in ("id", "image_id", "category_id", "bbox", "area")}
        for entry in data["annotations"]
    ]
    Path(file).write_text(json.dumps(data))


def test_boxes_of_a_weak_file_become_points_and_are_forgotten(
    data: Artifact, tmp_path: Path
) -> None:
    config = given(data, tmp_path)
    assert config.weak is not None
    boxes_only(config.weak)
    made = split(run_in(tmp_path), config)
    for weak, truth in zip(Records.read(made / WEAK), Records.read(data / WEAK_TRUTH), strict=True):
        assert not any(obj.mask for obj in weak.objects)
        boxes = [bounding_box(obj.mask, 64, 64) for obj in truth.objects if obj.mask is not None]
        centres = [((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in boxes]
        assert [obj.point for obj in weak.objects] == centres
    assert not (made / WEAK_TRUTH).exists()
    written = json.loads((made / "instances_10p_w.json").read_text())["annotations"]
    known = {"id", "image_id", "category_id", "iscrowd", "point"}
    assert written and all(set(entry) == known for entry in written)


@pytest.mark.parametrize("part", ["strong", "validation"])
def test_boxes_alone_are_refused_where_masks_are_wanted(
    data: Artifact, tmp_path: Path, part: str
) -> None:
    config = given(data, tmp_path)
    boxes_only(getattr(config, part))
    with pytest.raises(ValueError, match=rf'{part}\.json: annotation .* neither a "segmentation"'):
        split(run_in(tmp_path), config)


def test_classes_that_only_the_weak_file_lists_are_left_out(
    data: Artifact, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    weak = Records.read(data / WEAK_TRUTH)
    more = [Category(id=0, name="sign"), *weak.categories, Category(id=99, name="light")]
    signs = [
        replace(
            record,
            objects=tuple(
                replace(obj, label=obj.label + 1 if i else 0)
                for i, obj in enumerate(record.objects)
            ),
        )
        for record in weak
    ]
    config = given(data, tmp_path, weak=Records.from_rows(signs, more))
    made = split(run_in(tmp_path), config)
    for record, whole in zip(Records.read(made / WEAK), weak, strict=True):
        assert annotation_ids(record) == annotation_ids(whole)[1:]
        assert [obj.label for obj in record.objects] == [obj.label for obj in whole.objects[1:]]
    assert Records.read(made / WEAK).categories == weak.categories
    assert "weak.json: 6 objects are left out" in caplog.text
    assert "not in the strong file: sign, light" in caplog.text


def test_tags_and_annotated_parts_of_a_weak_file_stay(data: Artifact, tmp_path: Path) -> None:
    weak = Records.read(data / WEAK_TRUTH)
    half = from_polygons([[0, 0, 32, 0, 32, 64, 0, 64]], 64, 64)
    extra = [*weak.categories, Category(id=0, name="sign")]  # moves all labels by one
    known = [
        replace(
            record,
            tags=(0, 1, 3),
            annotated=half,
            objects=tuple(replace(obj, label=obj.label + 1) for obj in record.objects),
        )
        for record in weak
    ]
    made = split(run_in(tmp_path), given(data, tmp_path, weak=Records.from_rows(known, extra)))
    for record in Records.read(made / WEAK):
        assert record.tags == (0, 2)  # nobody else knows the sign
        assert record.annotated == half
    (file,) = made.folder.glob("*_w.json")
    assert [record.annotated for record in read_coco(file, "")] == [half] * len(weak)


def from_one(records: Records) -> Records:
    """The same images and objects, numbered from 1 as converters do."""
    numbers = itertools.count(1)
    return Records.from_rows(
        (
            replace(
                record,
                image_id=i,
                objects=tuple(replace(obj, annotation_id=next(numbers)) for obj in record.objects),
            )
            for i, record in enumerate(records, start=1)
        ),
        records.categories,
    )


def test_ids_that_both_files_use_are_kept_apart(data: Artifact, tmp_path: Path) -> None:
    strong, weak = (from_one(Records.read(data / name)) for name in (STRONG, WEAK_TRUTH))
    config = given(data, tmp_path, strong=strong, weak=weak)
    made = split(run_in(tmp_path), config)
    assert [record.image_id for record in Records.read(made / STRONG)] == [1, 2]
    weak_ids = [record.image_id for record in Records.read(made / WEAK)]
    assert weak_ids == [101, 102, 103, 104, 105, 106]  # strong objects are numbered up to 11
    write_coco(Records.read(made / ALL), UPath(tmp_path / "all.json"))
    assert len(read_coco(UPath(tmp_path / "all.json"), "")) == 8  # no id occurs twice


def test_ids_that_are_free_stay(data: Artifact, tmp_path: Path) -> None:
    made = split(run_in(tmp_path), given(data, tmp_path))
    for weak, truth in zip(Records.read(made / WEAK), Records.read(data / WEAK_TRUTH), strict=True):
        assert weak.image_id == truth.image_id
        assert annotation_ids(weak) == annotation_ids(truth)


def spoil(file: str | None, *places: int) -> list[int]:
    """Move the points of some annotations off the image; the ids of their images."""
    assert file is not None
    content = json.loads(Path(file).read_text())
    for place in places:
        content["annotations"][place]["point"] = [64, 3]
    Path(file).write_text(json.dumps(content))
    return [content["annotations"][place]["image_id"] for place in places]


def lines(file: UPath) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_bad_weak_annotation_is_noted_and_its_neighbours_stay(
    data: Artifact, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = given(data, tmp_path)
    (image_id,) = spoil(config.weak, 0)
    made = split(run_in(tmp_path), config)
    whole, kept = Records.read(data / WEAK), Records.read(made / WEAK)
    assert ids(kept) == ids(whole)
    assert annotation_ids(kept[0]) == annotation_ids(whole[0])[1:]
    assert list(kept)[1:] == list(whole)[1:]
    reason = "the point (64, 3) is outside the 64 x 64 image"
    assert lines(made / REJECTED) == [
        {
            "image_id": image_id,
            "annotation_id": whole[0].objects[0].annotation_id,
            "stage": "points",
            "reason": reason,
        }
    ]
    assert "1 weak annotations cannot be used" in caplog.text and reason in caplog.text
    assert image_id not in ids(Records.read(made / ALL))  # it would teach background
    assert len(Records.read(made / ALL)) == 7 and len(Records.read(made / WEAK_TRUTH)) == 6


def test_a_rejected_annotation_has_the_ids_of_the_run(data: Artifact, tmp_path: Path) -> None:
    strong, weak = (from_one(Records.read(data / name)) for name in (STRONG, WEAK_TRUTH))
    config = given(data, tmp_path, strong=strong, weak=weak)
    assert spoil(config.weak, 0) == [1]
    made = split(run_in(tmp_path), config)
    (line,) = lines(made / REJECTED)
    assert (line["image_id"], line["annotation_id"]) == (101, 101)


def test_only_a_few_reasons_are_logged(
    data: Artifact, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = given(data, tmp_path)
    spoil(config.weak, 0, 1, 2, 3, 4)
    made = split(run_in(tmp_path), config)
    assert len(lines(made / REJECTED)) == 5
    assert caplog.text.count("outside the 64 x 64 image") == 3


def test_nothing_rejected_is_an_empty_file(data: Artifact) -> None:
    assert (data / REJECTED).read_text() == ""


@pytest.mark.parametrize("part", ["strong", "validation"])
def test_a_bad_point_of_another_part_is_fatal(data: Artifact, tmp_path: Path, part: str) -> None:
    config = given(data, tmp_path)
    spoil(getattr(config, part), 0)
    with pytest.raises(ValueError, match=rf"{part}\.json: annotation .*outside"):
        split(run_in(tmp_path), config)


def mixed(data: Artifact, folder: Path, *, validated: bool = True) -> DataConfig:
    """One file of all images to learn from; one annotation has only a point, off the image."""
    parts = given(data, folder, strong=Records.read(data / ALL))
    assert parts.strong is not None
    content = json.loads(Path(parts.strong).read_text())
    entry = content["annotations"][0]
    content["annotations"][0] = {key: entry[key] for key in ("id", "image_id", "category_id")}
    Path(parts.strong).write_text(json.dumps(content))
    spoil(parts.strong, 0)
    validation = parts.validation if validated else None
    return DataConfig(
        annotations=parts.strong, images=parts.images, validation=validation, percent=50
    )


def test_an_image_that_lacks_an_object_is_weak(data: Artifact, tmp_path: Path) -> None:
    config = mixed(data, tmp_path)
    for seed in range(4):
        made = split(run_in(tmp_path / f"{seed}", seed=seed), config)
        (line,) = lines(made / REJECTED)
        assert line["image_id"] in ids(Records.read(made / WEAK))
        assert len(Records.read(made / STRONG)) == 4
        assert not (made / WEAK_TRUTH).exists() and not (made / ALL).exists()


def test_no_validation_images_are_held_out_of_what_lacks_an_object(
    data: Artifact, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="not every object has a mask"):
        split(run_in(tmp_path), mixed(data, tmp_path, validated=False))


def test_a_bad_mask_in_a_mixed_file_is_fatal(data: Artifact, tmp_path: Path) -> None:
    config = mixed(data, tmp_path)
    spoil(config.annotations, 1)
    with pytest.raises(ValueError, match=r"annotation .*outside"):
        split(run_in(tmp_path), config)


def test_a_file_is_cut_without_a_way_through_arrow_and_back(
    data: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = given(data, tmp_path, strong=Records.read(data / ALL))
    monkeypatch.setattr(Record, "from_row", None)
    config = DataConfig(annotations=parts.strong, images=parts.images, percent=50)
    made = split(run_in(tmp_path), config)
    assert [len(Records.read(made / name)) for name in (STRONG, WEAK, VALIDATION)] == [3, 4, 1]


def test_masks_that_are_hidden_are_said(
    data: Artifact, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    parts = given(data, tmp_path, strong=Records.read(data / ALL))
    config = DataConfig(annotations=parts.strong, images=parts.images, percent=50)
    with caplog.at_level("INFO"):
        split(run_in(tmp_path), config)
    said = "4 images have masks of which only points are learnt, because data.percent is 50"
    assert said in caplog.text


@pytest.mark.parametrize("crowds", ["ignore", "objects"])
def test_crowds_of_all_files_are_ignored_or_objects(
    data: Artifact, tmp_path: Path, crowds: str, caplog: pytest.LogCaptureFixture
) -> None:
    strong, weak, validation = (
        Records.from_rows(
            [
                replace(record, objects=tuple(replace(obj, crowd=True) for obj in record.objects))
                for record in Records.read(data / name)
            ],
            Records.read(data / name).categories,
        )
        for name in (STRONG, WEAK_TRUTH, VALIDATION)
    )
    config = given(data, tmp_path, strong=strong, weak=weak, validation=validation)
    config = config.model_copy(update={"crowds": Crowds(crowds)})
    gathered = gather_given(config, 0, str(config.strong), str(config.weak))
    parts = (gathered.parts.strong, gathered.parts.weak, gathered.validation)
    objects = [[obj for record in part for obj in record.objects] for part in parts]
    assert {obj.crowd for obj in objects[0] + objects[2]} == {crowds == "ignore"}
    assert bool(objects[1]) == (crowds == "objects")
    assert caplog.text.count("are crowd regions") == (3 if crowds == "ignore" else 0)


@pytest.mark.parametrize(
    "written",
    [
        {"segmentation": [[8, 12]], "bbox": [8, 12, 1, 1]},
        {"segmentation": [[1, 2, 3]], "point": [8, 12]},
        {"segmentation": [], "bbox": [-12, 13, 40, 10], "keypoints": [8, 12, 2]},
    ],
)
def test_the_points_of_a_weak_file_are_read_however_they_were_written(
    data: Artifact, tmp_path: Path, written: dict[str, object]
) -> None:
    config = given(data, tmp_path)
    content = json.loads(Path(str(config.weak)).read_text())
    for entry in content["annotations"]:
        del entry["segmentation"], entry["point"]
        entry |= written
    Path(str(config.weak)).write_text(json.dumps(content))
    gathered = gather_given(config, 0, str(config.strong), str(config.weak))
    objects = [obj for record in gathered.parts.weak for obj in record.objects]
    assert len(objects) == len(content["annotations"])
    assert {(obj.mask, obj.point) for obj in objects} == {(None, (8, 12))}
