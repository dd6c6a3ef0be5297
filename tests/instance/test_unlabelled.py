"""Images of which nobody said anything, from the places where they come from."""

import json
import logging
from pathlib import Path

import pytest
from PIL import Image

from ray_wssis.artifacts import Artifact, StaleArtifact
from ray_wssis.data.records import Records
from ray_wssis.instance.split import STRONG, UNLABELLED, VALIDATION, WEAK, WEAK_TRUTH, split
from ray_wssis.instance.split_config import DataConfig, ShapesConfig
from tests.support.run_in import run_in

SHAPES = ShapesConfig(num_images=8, num_validation_images=2, size=64)


def ids(made: Artifact, part: str) -> list[int]:
    return [record.image_id for record in Records.read(made / part)]


def hidden(folder: Path, percent: float) -> Artifact:
    config = DataConfig(shapes=SHAPES, percent=25, unlabelled_percent=percent)
    return split(run_in(folder), config)


def test_points_are_hidden_from_weak_images(tmp_path: Path, data: Artifact) -> None:
    fewer, more = hidden(tmp_path / "a", 25), hidden(tmp_path / "b", 50)
    assert [len(ids(fewer, part)) for part in (STRONG, WEAK, UNLABELLED)] == [2, 4, 2]
    assert ids(more, STRONG) == ids(fewer, STRONG) == ids(data, STRONG)
    assert set(ids(fewer, UNLABELLED)) < set(ids(more, UNLABELLED))
    assert ids(more, WEAK) == ids(more, WEAK_TRUTH)
    manifest = json.loads((more / "instances_25p_split.json").read_text())
    assert manifest["num_unlabelled_images"] == 4


def coco_of(folder: Path, seen: int, unseen: int) -> DataConfig:
    """Write images with a mask, as many with a point, and some that nobody annotated."""
    folder.mkdir()
    images, annotations = [], []
    for number in range(1, 2 * seen + unseen + 1):
        Image.new("RGB", (40, 30), (number, 0, 0)).save(folder / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": 40, "height": 30})
        own = {"id": number, "image_id": number, "category_id": 1, "point": [10, 10]}
        if number <= seen:
            own["segmentation"] = [[5, 5, 15, 5, 15, 15, 5, 15]]
        if number <= 2 * seen:
            annotations.append(own)
    known = {"categories": [{"id": 1, "name": "spot"}], "annotations": annotations}
    (folder / "all.json").write_text(json.dumps(known | {"images": images}))
    few = known | {"images": images[:1], "annotations": annotations[:1]}
    (folder / "val.json").write_text(json.dumps(few))
    return DataConfig(
        annotations=str(folder / "all.json"),
        images=str(folder),
        validation=str(folder / "val.json"),
        percent=30,
        audit=0,
    )


def test_images_that_nobody_annotated_are_unlabelled_if_asked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = coco_of(tmp_path / "images", seen=4, unseen=3)
    left_out = split(run_in(tmp_path / "without"), config)
    assert not (left_out / UNLABELLED).exists() and "3 of 11 images" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.INFO):
        made = split(
            run_in(tmp_path / "with"), config.model_copy(update={"unlabelled": "unannotated"})
        )
    assert ids(made, UNLABELLED) == [9, 10, 11] and "are left out" not in caplog.text
    assert ids(made, WEAK) == ids(left_out, WEAK)


def test_all_points_may_be_hidden(tmp_path: Path) -> None:
    made = hidden(tmp_path, 75)
    assert [len(ids(made, part)) for part in (STRONG, WEAK, UNLABELLED)] == [2, 0, 6]


def test_masks_and_images_that_nobody_annotated_need_no_points(tmp_path: Path) -> None:
    whole = coco_of(tmp_path / "images", seen=4, unseen=3)
    config = DataConfig(
        strong=whole.annotations,
        images=whole.images,
        validation=whole.validation,
        unlabelled="unannotated",
        audit=0,
    )
    content = json.loads(Path(config.strong or "").read_text())
    content["annotations"] = [own for own in content["annotations"] if "segmentation" in own]
    Path(config.strong or "").write_text(json.dumps(content))
    made = split(run_in(tmp_path / "run"), config)
    assert [len(ids(made, part)) for part in (STRONG, WEAK, UNLABELLED)] == [4, 0, 7]
    with pytest.raises(ValueError, match="or with unlabelled where nobody pointed"):
        DataConfig.model_validate(config.model_dump() | {"unlabelled": None})


def test_a_file_without_such_images_is_refused(tmp_path: Path) -> None:
    config = coco_of(tmp_path / "images", seen=4, unseen=0)
    with pytest.raises(ValueError, match=r"all 8 images of .* have an annotation"):
        split(run_in(tmp_path / "run"), config.model_copy(update={"unlabelled": "unannotated"}))


def test_of_a_folder_only_images_without_labels_are_taken(tmp_path: Path) -> None:
    config = coco_of(tmp_path / "images", seen=4, unseen=3)
    folder = {"unlabelled": config.images}
    made = split(run_in(tmp_path / "some"), config.model_copy(update=folder))
    files = [Path(record.file).stem for record in Records.read(made / UNLABELLED)]
    assert files == ["10", "11", "9"]  # by name
    config = coco_of(tmp_path / "labelled", seen=4, unseen=0)
    with pytest.raises(ValueError, match=r"all 8 images of .*labelled are labelled"):
        split(run_in(tmp_path / "none"), config.model_copy(update={"unlabelled": config.images}))


def test_a_folder_of_images_is_numbered_after_all_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    more = tmp_path / "more"
    (more / "deep").mkdir(parents=True)
    for place in ("b.png", "deep/a.jpg"):
        Image.new("RGB", (20, 10)).save(more / place)
    (more / "broken.png").write_bytes(b"no image")
    (more / "notes.txt").write_text("none either")
    config = DataConfig(shapes=SHAPES, percent=25, unlabelled=str(more))
    made = split(run_in(tmp_path / "run"), config)
    records = list(Records.read(made / UNLABELLED))
    assert [record.file.removeprefix(f"{more}/") for record in records] == ["b.png", "deep/a.jpg"]
    assert (records[0].width, records[0].height) == (20, 10)
    others = {number for part in (STRONG, WEAK, VALIDATION) for number in ids(made, part)}
    assert min(record.image_id for record in records) > max(others)
    assert "1 of 3 images cannot be read" in caplog.text


def test_another_image_in_the_folder_makes_another_split(tmp_path: Path) -> None:
    more = tmp_path / "more"
    more.mkdir()
    Image.new("RGB", (20, 10)).save(more / "a.png")
    config = DataConfig(shapes=SHAPES, percent=25, unlabelled=str(more))
    assert len(ids(split(run_in(tmp_path / "run"), config), UNLABELLED)) == 1
    Image.new("RGB", (20, 10)).save(more / "b.png")
    with pytest.raises(StaleArtifact, match="unlabelled = "):
        split(run_in(tmp_path / "run"), config)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    for name, wanted in (("none", "it holds no image"), ("nowhere", "there is no such folder")):
        config = DataConfig(shapes=SHAPES, percent=25, unlabelled=str(tmp_path / name))
        with pytest.raises(ValueError, match=wanted):
            split(run_in(tmp_path / "run"), config)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"unlabelled": "more", "unlabelled_percent": 10}, "not both"),
        ({"unlabelled": "unannotated"}, "all shapes are annotated"),
        ({"percent": 50, "unlabelled_percent": 60}, "more than all images"),
    ],
)
def test_what_cannot_be_meant_is_refused(values: dict[str, object], wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted):
        DataConfig.model_validate({"shapes": SHAPES, **values})
