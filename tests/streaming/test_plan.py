from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from upath import UPath

from ray_wssis.data.images.read import shortest_edge_size
from ray_wssis.data.records import Category, Object, Record, Records
from ray_wssis.streaming import plan
from ray_wssis.streaming.decode import read_task
from ray_wssis.streaming.plan import Batch, Source, padded, plan_batches, share_out, still_to_do

SIDES = (64, 128)


def record(image_id: int, height: int, width: int, x: float = 0.5) -> Record:
    return Record(
        image_id=image_id,
        file=f"{image_id}.png",
        width=width,
        height=height,
        objects=(Object(annotation_id=image_id, label=0, point=(x, 0.5)),),
    )


def source(
    folder: Path,
    sizes: Sequence[tuple[int, int]],
    *,
    made_from: str = "",
    moved: int = -1,
    needs_original: bool = True,
) -> Source:
    """Images of these (height, width); the point of one of them `moved`."""
    rows = [record(i, *size, x=1.5 if i == moved else 0.5) for i, size in enumerate(sizes)]
    file = UPath(folder / "weak.parquet")
    Records.from_rows(rows, [Category(id=1, name="thing")]).write(file)
    return Source(file, made_from, SIDES, needs_original=needs_original)


def test_a_key_changes_with_what_the_rows_are_made_from_and_with_nothing_else(
    tmp_path: Path,
) -> None:
    sizes = [(64, 64), (32, 64), (64, 64)]
    first = source(tmp_path, sizes).keys
    assert len(set(first.tolist())) == 3
    np.testing.assert_array_equal(source(tmp_path, sizes).keys, first)
    assert (source(tmp_path, sizes, moved=1).keys == first).tolist() == [True, False, True]
    assert not (source(tmp_path, sizes, made_from="another teacher").keys == first).any()
    np.testing.assert_array_equal(source(tmp_path, [*sizes, (9, 9)]).keys[:3], first)


some_sizes = st.lists(st.tuples(st.integers(20, 90), st.integers(20, 90)), min_size=1, max_size=40)


@given(sizes=some_sizes, batch_size=st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_batches_hold_every_image_once_and_canvases_of_one_size(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[tuple[int, int]], batch_size: int
) -> None:
    images = source(tmp_path_factory.mktemp("sizes"), sizes)
    batches = plan_batches(images, 32, batch_size)
    assert sorted(place for batch in batches for place in batch) == list(range(len(sizes)))
    short: set[tuple[int, int]] = set()
    for batch in batches:
        canvases = {padded(shortest_edge_size(*sizes[i], *SIDES), 32) for i in batch}
        assert len(canvases) == 1 and len(batch) <= batch_size and batch == sorted(batch)
        if len(batch) < batch_size:
            assert not canvases & short  # only the last one of a canvas is not full
            short |= canvases


def test_a_batch_does_not_depend_on_what_is_done(tmp_path: Path) -> None:
    images = source(tmp_path, [(64, 64)] * 7)
    batches = plan_batches(images, 32, 3)
    assert batches == [[0, 1, 2], [3, 4, 5], [6]]
    assert still_to_do(images, batches, images.keys[:3]) == [[3, 4, 5], [6]]
    assert still_to_do(images, batches, images.keys[[0, 1, 2, 3, 4, 5]]) == [[6]]
    assert still_to_do(images, batches, images.keys[[4]]) == [[0, 1, 2], [3, 5], [6]]
    assert still_to_do(images, batches, images.keys) == []


def test_large_images_come_in_smaller_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large, small = (1000, 1000), (64, 64)
    images = source(tmp_path, [large, large, large, small, small])
    monkeypatch.setattr(plan, "BATCH_BYTES", 7_000_000)
    assert plan_batches(images, 32, 8) == [[0, 1], [2, 3, 4]]


def test_pixels_that_nobody_looks_at_do_not_count(tmp_path: Path) -> None:
    sizes = [(1000, 1000), (64, 64)]
    assert source(tmp_path, sizes).num_bytes == [3_000_000 + 3 * 64 * 64, 6 * 64 * 64]
    assert source(tmp_path, sizes, needs_original=False).num_bytes == [3 * 64 * 64] * 2


def test_tasks_are_bounded_in_images_and_in_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = source(tmp_path, [(64, 64)] * 6)
    batches: list[Batch] = [[0, 1], [2, 3], [4, 5]]
    assert list(share_out(images, batches, 4)) == [[[0, 1], [2, 3]], [[4, 5]]]
    assert list(share_out(images, batches, 1)) == [[[0, 1]], [[2, 3]], [[4, 5]]]
    monkeypatch.setattr(plan, "TASK_BYTES", sum(images.num_bytes[:3]))
    assert list(share_out(images, batches, 100)) == [[[0, 1]], [[2, 3]], [[4, 5]]]


def test_a_task_carries_its_batches_to_another_process(tmp_path: Path) -> None:
    images = source(tmp_path, [(64, 64), (32, 64), (64, 32)])
    first, second = read_task(images.task([[2, 0], [1]]))
    assert [each.record.image_id for each in first] == [2, 0]
    assert second[0].record == record(1, 32, 64)
    assert second[0].key == images.keys[1] and second[0].source == "weak"


def test_a_first_start_waits_for_no_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of all images take long; without finished images only those of each task are needed."""
    monkeypatch.setattr(Source, "keys", property(lambda _: pytest.fail("all keys")))
    images = source(tmp_path, [(64, 64)] * 5)
    batches = still_to_do(images, plan_batches(images, 8, 2), np.zeros(0, np.int64))
    tasks = [images.task(share) for share in share_out(images, batches, 4)]
    assert [len(list(read_task(task))) for task in tasks] == [2, 1]


@given(data=st.data())
def test_a_task_holds_the_records_of_its_places_wherever_they_are(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    images = source(tmp_path_factory.mktemp("task"), [(64, 64)] * 9)
    batches = data.draw(
        st.permutations(range(9)).map(lambda places: [places[:2], places[2:3], places[3:5]])
    )
    read = list(read_task(images.task(batches)))
    assert [[image.record.image_id for image in batch] for batch in read] == batches
    assert [image.key for batch in read for image in batch] == [
        images.keys[place] for batch in batches for place in batch
    ]
