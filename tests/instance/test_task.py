"""From a picture with masks to a loss; crowded, tiny and empty pictures included."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from upath import UPath

from ray_wssis.artifacts import Part
from ray_wssis.data.augment import draw_geometry
from ray_wssis.data.augment_config import AugmentConfig
from ray_wssis.data.records import Category, Object, Record, Records
from ray_wssis.instance.learner import SegmenterLearner, segment_records
from ray_wssis.instance.samples import SegmenterSamples, collate, ignored_pixels, quarter_size
from ray_wssis.instance.segmenter import Segmenter
from ray_wssis.instance.segmenter_config import SegmenterConfig, SegmenterStage
from ray_wssis.instance.task import IMAGES, SegmenterTask
from ray_wssis.masks import encode
from ray_wssis.models.model_folder import hash_model
from ray_wssis.models.solov2_targets import assign_cells
from tests.support.tiny import TINY

CONFIG = SegmenterConfig(
    network=TINY.model_copy(update={"grids": (16, 12, 8, 6, 4)}),
    scale_ranges=((1, 24), (16, 40), (28, 56), (40, 84), (60, 2048)),
    shorter=64,
    longest=128,
)
AS_IT_IS = AugmentConfig(shorter=(96,), longest=128, flip=False)
CATEGORIES = [Category(id=1, name="a"), Category(id=2, name="b")]


def box(height: int, width: int, left: int, top: int, right: int, bottom: int) -> bytes:
    mask = np.zeros((height, width), bool)
    mask[top:bottom, left:right] = True
    return encode(mask)


def record(folder: Path, image_id: int, size: tuple[int, int], masks: list[bytes | None]) -> Record:
    height, width = size
    file = folder / f"{image_id}.png"
    pixels = np.random.default_rng(image_id).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)
    return Record(
        image_id=image_id,
        file=str(file),
        width=width,
        height=height,
        objects=tuple(
            Object(annotation_id=i, label=i % 2, mask=mask) for i, mask in enumerate(masks)
        ),
    )


def with_crowds(record: Record, *places: int) -> Record:
    """The record, its objects at these places crowds."""
    objects = (replace(obj, crowd=i in places) for i, obj in enumerate(record.objects))
    return replace(record, objects=tuple(objects))


def batch_losses(pictures: SegmenterSamples) -> dict[str, float]:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    batch = collate([pictures.sample(i, rng) for i in range(len(pictures))])
    losses = SegmenterLearner(CONFIG, num_classes=2)({IMAGES: batch})
    torch.stack(list(losses.values())).sum().backward()
    return {name: loss.item() for name, loss in losses.items()}


def by_blocks(mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The published rule: at least 2 of the 4 pixels in the middle of each block of 4 x 4."""
    blocks = mask.reshape(mask.shape[0] // 4, 4, mask.shape[1] // 4, 4)
    return np.asarray(blocks[:, 1:3, :, 1:3].sum(axis=(1, 3)) >= 2)


@pytest.mark.parametrize("density", [0.1, 0.5, 0.9])
def test_the_quarter_size_mask_is_the_published_one(density: float) -> None:
    rng = np.random.default_rng(0)
    mask = (rng.random((64, 96)) < density).astype(np.uint8)
    found = quarter_size(mask)
    assert found is not None
    np.testing.assert_array_equal(found[2], by_blocks(mask))


def test_centre_and_box_count_whole_pixels() -> None:
    mask = np.zeros((40, 60), np.uint8)
    mask[10:12, 20] = mask[10, 21:26] = 1
    found = quarter_size(mask)
    assert found is not None
    rows, columns = np.nonzero(mask)
    assert found[0] == pytest.approx((columns.mean() + 0.5, rows.mean() + 0.5))
    assert found[1] == (6, 2)


def test_one_pixel_has_a_centre_and_a_box_of_one() -> None:
    mask = np.zeros((41, 59), np.uint8)
    mask[40, 58] = 1
    found = quarter_size(mask)
    assert found is not None
    centre, size, small = found
    assert (centre, size, small.shape) == ((58.5, 40.5), (1, 1), (10, 15))


def test_an_empty_mask_is_no_object() -> None:
    assert quarter_size(np.zeros((8, 8), np.uint8)) is None


def test_crowds_unmasked_and_cropped_objects_take_no_part(tmp_path: Path) -> None:
    size = (96, 128)
    masks = [box(*size, 10, 20, 40, 60), None, box(*size, 50, 50, 90, 90), box(*size, 0, 0, 0, 0)]
    picture = record(tmp_path, 3, size, masks)
    picture = with_crowds(picture, 2)
    pictures = SegmenterSamples(Records.from_rows([picture], CATEGORIES), AS_IT_IS)
    sample = pictures.sample(0, np.random.default_rng(0))
    assert (sample.image_id, sample.labels) == (3, [0])
    assert sample.centres == [(25, 40)] and sample.box_sizes == [(30, 40)]
    assert sample.image.shape == (96, 128, 3)
    assert [mask.shape for mask in sample.masks] == [(24, 32)]


def test_a_sample_is_a_function_of_the_random_state(tmp_path: Path) -> None:
    augment = AugmentConfig(shorter=(64, 96), longest=128, turn=True, min_crop=0.5, colour=0.3)
    size = (96, 128)
    rows = [record(tmp_path, 3, size, [box(*size, 10, 20, 90, 60)])]
    pictures = SegmenterSamples(Records.from_rows(rows, CATEGORIES), augment)
    first, same, other = (pictures.sample(0, np.random.default_rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.image, same.image)
    assert first.centres == same.centres
    assert first.image.shape != other.image.shape or not np.array_equal(first.image, other.image)


def test_a_flip_swaps_left_and_right(tmp_path: Path) -> None:
    size = (96, 128)
    rows = [record(tmp_path, 3, size, [box(*size, 10, 20, 40, 60)])]
    eyes = [Category(id=2, name="left eye"), Category(id=5, name="right eye")]
    augment = AugmentConfig(shorter=(96,), longest=128, flip=True)
    samples = SegmenterSamples(Records.from_rows(rows, eyes), augment)
    drawn = [samples.sample(0, np.random.default_rng(seed)) for seed in range(8)]
    assert {(*sample.centres, *sample.labels) for sample in drawn} == {
        ((25, 40), 0),
        ((103, 40), 1),
    }


def crowds_only(folder: Path, size: tuple[int, int], masks: list[bytes | None]) -> Record:
    return with_crowds(record(folder, 3, size, masks), *range(len(masks)))


@pytest.mark.parametrize(
    "augment",
    [
        AugmentConfig(shorter=(96,), longest=128, flip=True),
        AugmentConfig(shorter=(96,), longest=128, flip=False, turn=True),
        AugmentConfig(shorter=(96,), longest=128, flip=False, min_crop=0.75),
        AugmentConfig(shorter=(50, 71, 96, 133, 200), longest=320, flip=False),
        AugmentConfig(shorter=(50, 71, 96, 133, 200), longest=320, turn=True, min_crop=0.75),
    ],
    ids=["flip", "turn", "crop", "scale", "all"],
)
def test_ignore_regions_move_with_the_picture(tmp_path: Path, augment: AugmentConfig) -> None:
    """Two white regions on black; a quarter-size pixel is ignored where it is not all black."""
    size = (96, 128)
    picture = crowds_only(tmp_path, size, [box(*size, 13, 7, 62, 30), box(*size, 90, 21, 111, 86)])
    pixels = np.zeros((*size, 3), np.uint8)
    pixels[7:30, 13:62] = pixels[21:86, 90:111] = 255
    Image.fromarray(pixels).save(picture.file)
    pictures = SegmenterSamples(Records.from_rows([picture], CATEGORIES), augment)
    for seed in range(12):
        sample = pictures.sample(0, np.random.default_rng(seed))
        assert sample.labels == sample.masks == [] and sample.ignored is not None
        h, w = sample.ignored.shape
        white = cv2.resize(sample.image[..., 0], (w, h), interpolation=cv2.INTER_AREA) / 255
        assert sample.ignored[white > 0.25].all() and not sample.ignored[white == 0].any()
        assert (h, w) == tuple((side + 2) // 4 for side in sample.image.shape[:2])


def test_one_pixel_is_enough_of_a_region(tmp_path: Path) -> None:
    """Wherever it is, and also where the sides are no multiples of 4."""
    augment = AugmentConfig(shorter=(9,), longest=11, flip=False)
    geometry = draw_geometry(9, 11, augment, np.random.default_rng(0))
    for y in range(9):
        for x in range(11):
            picture = crowds_only(tmp_path, (9, 11), [box(9, 11, x, y, x + 1, y + 1)])
            ignored = ignored_pixels(picture, geometry)
            assert ignored is not None and ignored.shape == (2, 3)
            assert ignored[min(y * 2 // 9, 1), min(x * 3 // 11, 2)]


def test_without_a_region_nothing_is_ignored(tmp_path: Path) -> None:
    size = (96, 128)
    mask = box(*size, 10, 20, 40, 60)
    rows = [
        record(tmp_path, 1, size, [mask]),
        crowds_only(tmp_path, size, [None, box(*size, 0, 0, 0, 0)]),
    ]
    pictures = SegmenterSamples(Records.from_rows(rows, CATEGORIES), AS_IT_IS)
    samples = [pictures.sample(i, np.random.default_rng(0)) for i in range(2)]
    assert [sample.ignored for sample in samples] == [None, None]
    batch = collate(samples)
    assert batch.ignored is None and batch.to(torch.device("cpu")).ignored is None


def test_regions_that_are_cropped_away_are_none(tmp_path: Path) -> None:
    size = (96, 128)
    picture = crowds_only(tmp_path, size, [box(*size, 0, 0, 4, 4)])
    augment = AugmentConfig(shorter=(96,), longest=128, min_crop=0.5)
    rows = Records.from_rows([picture], CATEGORIES)
    samples = [
        SegmenterSamples(rows, augment).sample(0, np.random.default_rng(seed)) for seed in range(20)
    ]
    seen = [sample.ignored is not None for sample in samples]
    assert any(seen) and not all(seen)
    assert all(sample.ignored is None or sample.ignored.any() for sample in samples)


def test_regions_lie_on_the_canvas_like_the_pictures(tmp_path: Path) -> None:
    rows = [
        record(tmp_path, 1, (96, 120), [box(96, 120, 0, 0, 60, 50)]),
        crowds_only(tmp_path, (128, 96), [box(128, 96, 60, 80, 96, 128), box(128, 96, 1, 1, 2, 2)]),
    ]
    pictures = SegmenterSamples(Records.from_rows(rows, CATEGORIES), AS_IT_IS)
    batch = collate([pictures.sample(i, np.random.default_rng(0)) for i in range(2)])
    ignored = batch.to(torch.device("cpu")).ignored
    assert ignored is not None and ignored.dtype == torch.bool and ignored.shape == (2, 32, 32)
    expected = torch.zeros(2, 32, 32, dtype=torch.bool)
    expected[1, 20:, 15:24] = expected[1, 0, 0] = True
    assert torch.equal(ignored, expected)


def test_a_crowd_is_no_background_for_the_learner(tmp_path: Path) -> None:
    """With a crowd over the whole picture, only the object in front of it is left to learn."""
    size = (96, 128)
    masks: list[bytes | None] = [box(*size, 50, 40, 90, 70), box(*size, 0, 0, 128, 96)]
    picture = with_crowds(record(tmp_path, 1, size, masks), 1)
    with_crowd, without = (
        batch_losses(SegmenterSamples(Records.from_rows([row], CATEGORIES), AS_IT_IS))
        for row in (picture, replace(picture, objects=picture.objects[:1]))
    )
    assert 0 < with_crowd["class"] < without["class"]
    assert 0 < with_crowd["mask"] < without["mask"]


def test_what_nobody_looked_at_is_ignored_exactly_as_a_crowd_is(tmp_path: Path) -> None:
    """The object beyond it is not learnt; the one across its edge is, with all of its pixels."""
    size = (96, 128)
    seen, across, beyond = (
        box(*size, 10, 20, 40, 60),
        box(*size, 50, 50, 78, 80),
        box(*size, 70, 5, 120, 30),
    )
    row = record(tmp_path, 1, size, [seen, across, beyond])
    rest = box(*size, 70, 0, 128, 96)
    crowd = Object(annotation_id=9, label=0, mask=rest, crowd=True)
    as_crowd = with_crowds(replace(row, objects=(*row.objects, crowd)), 2, 3)
    partly = replace(row, annotated=box(*size, 0, 0, 70, 96))

    first, second = (
        SegmenterSamples(Records.from_rows([each], CATEGORIES), AS_IT_IS)
        for each in (partly, as_crowd)
    )
    sample, wanted = (x.sample(0, np.random.default_rng(0)) for x in (first, second))
    assert sample.labels == wanted.labels == [0, 1]
    assert sample.ignored is not None and wanted.ignored is not None
    np.testing.assert_array_equal(sample.ignored, wanted.ignored)
    expected = np.zeros((24, 32), bool)
    expected[:, 17:] = True  # column 17 of the quarter-size mask holds pixels 68 to 71
    np.testing.assert_array_equal(sample.ignored, expected)
    assert batch_losses(first) == batch_losses(second)
    whole = SegmenterSamples(Records.from_rows([row], CATEGORIES), AS_IT_IS)
    assert batch_losses(first) != batch_losses(whole)


def test_an_image_that_somebody_looked_at_as_a_whole_has_no_region(tmp_path: Path) -> None:
    row = record(tmp_path, 1, (96, 128), [box(96, 128, 10, 20, 40, 60)])
    row = replace(row, annotated=box(96, 128, 0, 0, 128, 96))
    pictures = SegmenterSamples(Records.from_rows([row], CATEGORIES), AS_IT_IS)
    assert pictures.sample(0, np.random.default_rng(0)).ignored is None


def test_pictures_of_different_sizes_share_a_canvas_top_left(tmp_path: Path) -> None:
    rows = [
        record(tmp_path, 1, (96, 120), [box(96, 120, 0, 0, 60, 50)]),
        record(tmp_path, 2, (128, 96), [box(128, 96, 60, 80, 96, 128)] * 2),
    ]
    pictures = SegmenterSamples(Records.from_rows(rows, CATEGORIES), AS_IT_IS)
    samples = [pictures.sample(i, np.random.default_rng(0)) for i in range(2)]
    batch = collate(samples)
    assert batch.images.shape == (2, 3, 128, 128)
    assert batch.sizes.tolist() == [[96, 120], [128, 96]]
    assert batch.instances.image.tolist() == [0, 1, 1]
    assert batch.instances.masks.shape == (3, 32, 32)
    np.testing.assert_array_equal(
        batch.images[0, :, :96, :120], samples[0].image.transpose(2, 0, 1)
    )
    assert batch.instances.masks[1, 20:32, 15:24].all()
    assert batch.instances.masks[1].sum() == 12 * 9


def test_600_instances_and_a_single_pixel_train(tmp_path: Path) -> None:
    size = (96, 128)
    masks: list[bytes | None] = [
        box(*size, left, top, left + 4, top + 4)
        for top in range(0, 96, 4)
        for left in range(0, 100, 4)
    ]
    masks[17] = box(*size, 70, 1, 71, 2)
    rows = [record(tmp_path, 1, size, masks[:600])]
    pictures = SegmenterSamples(Records.from_rows(rows, CATEGORIES), AS_IT_IS)
    sample = pictures.sample(0, np.random.default_rng(0))
    assert len(sample.labels) == 600 and sample.box_sizes[17] == (1, 1)
    batch = collate([sample])
    targets = assign_cells(batch.instances, (96, 128), CONFIG.network.grids, CONFIG.scale_ranges)
    cells = list(zip(targets.image.tolist(), targets.cell.tolist(), strict=True))
    assert len(set(cells)) == len(cells) == 16 * 13  # every cell under them has one
    assert 17 in targets.instance.tolist()  # the smallest is not crowded out
    assert all(np.isfinite(loss) for loss in batch_losses(pictures).values())


def test_a_batch_without_any_object_trains(tmp_path: Path) -> None:
    rows = [record(tmp_path, i, (96, 128), []) for i in (1, 2)]
    losses = batch_losses(SegmenterSamples(Records.from_rows(rows, CATEGORIES), AS_IT_IS))
    assert losses["mask"] == 0 and 0 < losses["class"] < np.inf


def test_pictures_are_segmented_one_by_one_as_in_batches(tmp_path: Path) -> None:
    sizes = [(96, 128), (64, 64), (100, 80)] * 3
    rows = [record(tmp_path, i, size, []) for i, size in enumerate(sizes)]
    records = Records.from_rows(rows, CATEGORIES)
    torch.manual_seed(0)
    lenient = CONFIG.inference.model_copy(update={"min_class_score": 0.0, "min_score": 0.0})
    config = CONFIG.model_copy(update={"inference": lenient})
    network = SegmenterLearner(config, 2).network
    found = list(segment_records(Segmenter(network, config, tuple(CATEGORIES)), records))
    assert [each.image_id for each in found] == list(range(9))
    for each in found:
        assert len(each.labels) == len(each.scores) == len(each.masks) <= 100
        assert each.scores == sorted(each.scores, reverse=True)


def test_every_parameter_is_in_one_group_of_rates() -> None:
    learner = SegmenterLearner(CONFIG, 2)
    groups = {name: list(group) for name, group in learner.parameter_groups().items()}
    assert list(groups) == ["backbone", "neck", "head"]
    grouped = [id(parameter) for group in groups.values() for parameter in group]
    assert sorted(grouped) == sorted(id(parameter) for parameter in learner.parameters())


def test_a_task_starts_from_a_model_of_other_classes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    images = tmp_path / "train.parquet"
    Records.from_rows([record(tmp_path, 1, (96, 128), [])], CATEGORIES).write(str(images))
    teacher = SegmenterLearner(CONFIG, 5).network
    Segmenter(teacher, CONFIG, ()).save(UPath(tmp_path / "teacher"), "")
    part = Part(path=UPath(images), digest="sha256:1")
    stage = SegmenterStage.model_validate(
        {"model": CONFIG, "training": {"steps": 1}, "start": str(tmp_path / "teacher")}
    )
    task = SegmenterTask.of("student", stage, part, part)
    started, saved = task.learner().network.state_dict(), teacher.state_dict()
    other = [name for name in saved if not torch.equal(started[name], saved[name])]
    assert other == ["instance_head.class_out.weight", "instance_head.class_out.bias"]
    assert task.made_from["start"] == hash_model(UPath(tmp_path / "teacher"))
    plain = stage.model_copy(update={"start": None})
    assert "start" not in SegmenterTask.of("student", plain, part, part).made_from


def test_what_is_saved_says_what_it_is(tmp_path: Path) -> None:
    size = (96, 128)
    rows = [record(tmp_path, 1, size, [box(*size, 10, 20, 90, 60)])]
    Records.from_rows(rows, CATEGORIES).write(str(tmp_path / "train.parquet"))
    task = SegmenterTask(
        name="student",
        config=CONFIG,
        augment=AS_IT_IS,
        images=str(tmp_path / "train.parquet"),
        validation=str(tmp_path / "train.parquet"),
        max_validation_images=5,
        batch_size=2,
    )
    learner = task.learner()
    figures = task.validate(learner)
    assert set(figures) >= {"val/AP", "val/AP50"} and 0 <= figures["val/AP"] <= 100
    task.save(learner, UPath(tmp_path / "model"))
    card = (tmp_path / "model" / "model_card.md").read_text()
    assert "student: SOLOv2 with resnet18" in card and "classes: a, b" in card
    loaded = Segmenter.load(UPath(tmp_path / "model"), torch.device("cpu"))
    assert loaded.categories == tuple(CATEGORIES)
