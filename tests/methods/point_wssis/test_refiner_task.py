from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from upath import UPath

from ray_wssis.data.records import Category, Object, Record, Records
from ray_wssis.masks import complement, decode, encode
from ray_wssis.methods.point_wssis.refiner import Refiner
from ray_wssis.methods.point_wssis.refiner_augment_config import RefinerAugmentConfig
from ray_wssis.methods.point_wssis.refiner_learner import RefinerLearner, validate
from ray_wssis.methods.point_wssis.refiner_pairs import RefinerPairs, collate, read_rough
from ray_wssis.methods.point_wssis.refiner_task import PAIRS, RefinerTask
from ray_wssis.models.mask_refine_net_config import MaskRefineNetConfig

SMALL = MaskRefineNetConfig(
    encoder="resnet18", weights="none", crop_size=64, aspp_width=16, decoder_widths=(16, 12, 8, 8)
)
AUGMENT = RefinerAugmentConfig(turn=True, colour=0.3, random_point=0.3, rough_noise=0.5)
SCHEMA = pa.schema(
    [
        ("image_id", pa.int64()),
        ("annotation_id", pa.list_(pa.int64())),
        ("rough", pa.list_(pa.binary())),
    ]
)
CENTRES = ((30.0, 30.0), (70.0, 50.0), (50.0, 64.0))
DISCS = [
    ((np.mgrid[:80, :100] + 0.5 - np.array([[[y]], [[x]]])) ** 2).sum(0) < 144 for x, y in CENTRES
]
SQUARES = [
    encode((abs(np.mgrid[:80, :100] + 0.5 - np.array([[[y]], [[x]]])) < 11).all(0))
    for x, y in CENTRES
]


@pytest.fixture
def records(tmp_path: Path) -> Records:
    """Two images of three bright discs; the third is a crowd, the second has no point."""
    rows = []
    for image_id in (4, 9):
        pixels = np.random.default_rng(image_id).integers(0, 90, (80, 100, 3), dtype=np.uint8)
        pixels[np.any(DISCS, axis=0)] += 120
        file = tmp_path / f"{image_id}.png"
        Image.fromarray(pixels).save(file)
        rows.append(
            Record(
                image_id=image_id,
                file=str(file),
                width=100,
                height=80,
                objects=tuple(
                    Object(
                        annotation_id=image_id * 10 + i,
                        label=i % 2,
                        mask=encode(disc),
                        point=None if i == 1 else CENTRES[i],
                        crowd=i == 2,
                    )
                    for i, disc in enumerate(DISCS)
                ),
            )
        )
    return Records.from_rows(rows, [Category(id=1, name="a"), Category(id=2, name="b")])


def rough_table(*rows: tuple[int, list[int], list[bytes | None]]) -> pa.Table:
    names = SCHEMA.names
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema=SCHEMA)


EMPTY = encode(np.zeros((80, 100), bool))
ROUGH = rough_table(
    (9, [92, 91, 90], [SQUARES[2], SQUARES[1], SQUARES[0]]),
    (4, [40, 41], [SQUARES[0], None]),
    (9, [90, 91], [EMPTY, SQUARES[1]]),
)


def test_objects_that_nobody_looked_at_make_no_pair(records: Records) -> None:
    beyond = complement(encode(DISCS[1]), 80, 100)
    rows = [replace(record, annotated=beyond) for record in records]
    pairs = RefinerPairs(Records.from_rows(rows, records.categories), ROUGH, SMALL, AUGMENT)
    found = [pairs.pair(i) for i in range(len(pairs))]
    assert [record.objects[item].annotation_id for record, item, _ in found] == [90, 40]


def test_pairs_are_all_rough_masks_whose_object_has_a_true_one(records: Records) -> None:
    pairs = RefinerPairs(records, ROUGH, SMALL, AUGMENT)
    found = [pairs.pair(i) for i in range(len(pairs))]
    assert [(record.objects[item].annotation_id, rough) for record, item, rough in found] == [
        (91, SQUARES[1]),
        (90, SQUARES[0]),
        (40, SQUARES[0]),
        (91, SQUARES[1]),
    ]


def test_a_sample_is_a_function_of_its_number_and_the_random_state(records: Records) -> None:
    pairs = RefinerPairs(records, ROUGH, SMALL, AUGMENT)
    first, second, other = (pairs.sample(1, np.random.default_rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.input.rgb, second.input.rgb)
    np.testing.assert_array_equal(first.truth, second.truth)
    assert first.input.point == second.input.point
    assert not np.array_equal(first.input.rgb, other.input.rgb)


def test_truth_rough_mask_and_pixels_of_a_sample_fit_each_other(records: Records) -> None:
    plain = RefinerAugmentConfig(turn=True)
    pairs = RefinerPairs(records, ROUGH, SMALL, plain)
    for seed in range(8):
        sample = pairs.sample(0, np.random.default_rng(seed))
        truth, rough = sample.truth > 0, sample.input.rough > 0
        assert sample.image_id == 9 and sample.input.label == 1
        assert (truth & rough).sum() / (truth | rough).sum() > 0.7
        bright = sample.input.rgb.mean(axis=2) > 100
        assert bright[truth].mean() > 0.9
        x, y = sample.input.point
        assert truth[int(y), int(x)] or seed  # drawn in the mask: this object has no point


def test_a_batch_is_compact_and_knows_its_images(records: Records) -> None:
    pairs = RefinerPairs(records, ROUGH, SMALL, AUGMENT)
    batch = collate([pairs.sample(i, np.random.default_rng(i)) for i in range(3)])
    batch = batch.to(torch.device("cpu"))
    assert batch.image_ids == [9, 9, 4]
    assert batch.rgb.shape == (3, 64, 64, 3) and batch.rgb.dtype == torch.uint8
    assert batch.rough.shape == batch.truth.shape == (3, 64, 64)
    assert batch.label.tolist() == [1, 0, 0]


def test_the_refiner_learns_to_refine_masks(records: Records) -> None:
    torch.manual_seed(0)
    plain = RefinerAugmentConfig(flip=False, point_jitter=0)
    halves = [
        encode(disc & (np.arange(100) > x)) for disc, (x, _) in zip(DISCS, CENTRES, strict=True)
    ]
    rough = rough_table(
        (9, [90, 91], [halves[0], halves[1]]), (4, [40, 41], [halves[0], halves[1]])
    )
    pairs = RefinerPairs(records, rough, SMALL, plain)
    learner = RefinerLearner(SMALL, 2)
    optimizer = torch.optim.Adam(learner.parameters(), lr=3e-3)
    learner.train()
    for step in range(40):
        batch = collate([pairs.sample(i, np.random.default_rng([step, i])) for i in range(4)])
        (loss,) = learner({PAIRS: batch}).values()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    figures = validate(Refiner(learner.network, records.categories), pairs)
    assert figures["refined_mIoU"] > figures["rough_mIoU"] + 10


def test_validation_is_by_hand_that_of_the_masks(records: Records) -> None:
    network = RefinerLearner(SMALL, 2).network
    torch.nn.init.constant_(network.head.weight, 0)
    assert network.head.bias is not None
    network.head.bias.data = torch.tensor([1.0, -1.0])  # sees nothing: every mask falls back
    pairs = RefinerPairs(records, ROUGH, SMALL, AUGMENT)
    figures = validate(Refiner(network, records.categories), pairs)
    overlaps = [
        (disc & square).sum() / (disc | square).sum()
        for disc, square in ((DISCS[i], decode(SQUARES[i], 80, 100)) for i in (1, 0, 0, 1))
    ]
    assert (
        figures["rough_mIoU"] == figures["refined_mIoU"] == pytest.approx(100 * np.mean(overlaps))
    )


def test_no_pairs_validate_to_zero(records: Records) -> None:
    pairs = RefinerPairs(records, rough_table((4, [41], [None])), SMALL, AUGMENT)
    network = RefinerLearner(SMALL, 2).network
    figures = validate(Refiner(network, records.categories), pairs)
    assert figures == {"rough_mIoU": 0.0, "refined_mIoU": 0.0}


def test_an_image_is_read_once_while_it_is_in_the_cache(records: Records) -> None:
    cache = RefinerPairs(records, ROUGH, SMALL, AUGMENT, cache_bytes=30_000).images
    first = cache.read(records[0])
    assert cache.read(records[0]) is first
    cache.read(records[1])  # 24,000 bytes each: no room for two
    assert list(cache.images) == [records[1].file]


def test_rough_masks_of_another_set_are_refused(records: Records) -> None:
    with pytest.raises(ValueError, match="row 0: image_id 5 is not among the 2 images"):
        RefinerPairs(records, rough_table((5, [50], [SQUARES[0]])), SMALL, AUGMENT)
    with pytest.raises(ValueError, match=r"image 4: it has no annotation \[77\]"):
        RefinerPairs(records, rough_table((4, [77], [SQUARES[0]])), SMALL, AUGMENT)


def of_source(rows: pa.Table, source: str) -> pa.Table:
    """The rows as streaming writes them; the last one is of an image that failed."""
    failed = pa.Table.from_pylist([{"image_id": 9}], schema=rows.schema)
    table = pa.concat_tables([rows, failed])
    errors = [None] * len(rows) + ["cut short"]
    table = table.append_column("source", pa.array([source] * len(table)))
    return table.append_column("error", pa.array(errors, type=pa.string()))


def test_a_task_reads_learns_validates_and_saves(records: Records, tmp_path: Path) -> None:
    for name in ("strong", "val"):
        records.write(str(tmp_path / f"{name}.parquet"))
    (tmp_path / "rough").mkdir()
    pq.write_table(of_source(ROUGH.slice(0, 2), "strong"), tmp_path / "rough" / "a.parquet")
    pq.write_table(of_source(ROUGH.slice(2), "strong"), tmp_path / "rough" / "b.parquet")
    pq.write_table(of_source(ROUGH.slice(0, 2), "val"), tmp_path / "rough" / "c.parquet")
    task = RefinerTask(
        config=SMALL,
        augment=AUGMENT,
        images=str(tmp_path / "strong.parquet"),
        rough=str(tmp_path / "rough"),
        validation=str(tmp_path / "val.parquet"),
        max_validation_images=1,
        batch_size=2,
    )
    assert len(task.samples) == 4
    learner = task.learner()
    figures = task.validate(learner)
    assert set(figures) == {"val/rough_mIoU", "val/refined_mIoU"}
    task.save(learner, UPath(tmp_path / "model"))
    assert Refiner.load(UPath(tmp_path / "model"), torch.device("cpu")).categories == (
        records.categories
    )
    started = replace(task, start=str(tmp_path / "model")).learner().network.state_dict()
    saved = learner.network.state_dict()
    assert all(torch.equal(started[name], saved[name]) for name in saved)
    assert "4 rough masks of 2 images" in (tmp_path / "model" / "model_card.md").read_text()


def test_every_parameter_is_in_one_group_of_rates() -> None:
    learner = RefinerLearner(SMALL, 2)
    groups = {name: list(group) for name, group in learner.parameter_groups().items()}
    assert list(groups) == ["encoder", "decoder", "head"]
    grouped = [id(parameter) for group in groups.values() for parameter in group]
    assert sorted(grouped) == sorted(id(parameter) for parameter in learner.parameters())


def test_a_folder_without_rough_masks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no Parquet files"):
        read_rough(str(tmp_path), "strong")


def test_rough_masks_come_by_image_however_they_were_shared_out(tmp_path: Path) -> None:
    rows = [
        {"image_id": i, "annotation_id": [i], "rough": [b"%d" % k]} for i, k in ((7, 0), (7, 1))
    ]
    last = [{"image_id": 3, "annotation_id": [3], "rough": [b"2"]}]
    orders = {"forwards": (rows, last), "backwards": (last, rows)}
    for name, parts in orders.items():
        (tmp_path / name).mkdir()
        for place, part in enumerate(parts):
            table = of_source(pa.Table.from_pylist(part, SCHEMA), "strong")
            pq.write_table(table, tmp_path / name / f"{place}.parquet")
    first, second = (read_rough(str(tmp_path / name), "strong") for name in orders)
    assert first == second
    assert [masks[0] for masks in first["rough"].to_pylist()] == [b"2", b"0", b"1"]
