"""The cells of a batch against a loop over objects and cells."""

import math

import pytest
import torch

from ray_wssis.models.solov2_targets import Instances, Targets, assign_cells

GRIDS = (12, 9, 6, 4, 3)
RANGES = ((1, 20), (10, 40), (20, 60), (40, 120), (80, 400))
CANVAS = (96, 160)


def instances_of(
    image: list[int], centres: list[tuple[float, float]], box_sizes: list[tuple[float, float]]
) -> Instances:
    num = len(image)
    return Instances(
        image=torch.tensor(image, dtype=torch.int64),
        labels=torch.zeros(num, dtype=torch.int64),
        centres=torch.tensor(centres).view(-1, 2),
        box_sizes=torch.tensor(box_sizes).view(-1, 2),
        masks=torch.zeros(num, CANVAS[0] // 4, CANVAS[1] // 4, dtype=torch.uint8),
    )


def random_instances(num: int, seed: int) -> Instances:
    generator = torch.Generator().manual_seed(seed)
    extent = torch.tensor([CANVAS[1], CANVAS[0]])
    return Instances(
        image=torch.randint(0, 3, (num,), generator=generator),
        labels=torch.randint(0, 4, (num,), generator=generator),
        centres=torch.rand(num, 2, generator=generator) * extent,
        box_sizes=1 + torch.rand(num, 2, generator=generator) ** 2 * extent,
        masks=torch.zeros(num, CANVAS[0] // 4, CANVAS[1] // 4, dtype=torch.uint8),
    )


def cell_by_cell(
    instances: Instances,
    canvas: tuple[int, int],
    grids: tuple[int, ...],
    ranges: tuple[tuple[float, float], ...],
) -> dict[tuple[int, int], int]:
    """(image, cell) -> instance: every object asks every cell."""
    height, width = canvas
    size = [math.prod(box) for box in instances.box_sizes.tolist()]
    held: dict[tuple[int, int], int] = {}
    for n, ((x, y), (w, h)) in enumerate(
        zip(instances.centres.tolist(), instances.box_sizes.tolist(), strict=True)
    ):
        offset = 0
        for side, (low, high) in zip(grids, ranges, strict=True):
            centre_row, centre_column = int(y / height * side), int(x / width * side)
            for row in range(side):
                for column in range(side):
                    top, bottom = row * height / side, (row + 1) * height / side
                    left, right = column * width / side, (column + 1) * width / side
                    touched = (
                        y + 0.1 * h >= top
                        and y - 0.1 * h < bottom
                        and x + 0.1 * w >= left
                        and x - 0.1 * w < right
                    )
                    near = abs(row - centre_row) <= 1 and abs(column - centre_column) <= 1
                    if low <= math.sqrt(w * h) < high and touched and near:
                        key = (int(instances.image[n]), offset + row * side + column)
                        if key not in held or size[n] <= size[held[key]]:
                            held[key] = n
            offset += side * side
    return held


def held_by(targets: Targets) -> dict[tuple[int, int], int]:
    fields = (targets.image, targets.cell, targets.instance)
    rows = list(zip(*(field.tolist() for field in fields), strict=True))
    assert len({(image, cell) for image, cell, _ in rows}) == len(rows)
    return {(image, cell): instance for image, cell, instance in rows}


@pytest.mark.parametrize("seed", range(10))
def test_positive_cells_are_those_of_a_loop_over_objects_and_cells(seed: int) -> None:
    instances = random_instances(num=30, seed=seed)
    found = assign_cells(instances, CANVAS, GRIDS, RANGES)
    assert held_by(found) == cell_by_cell(instances, CANVAS, GRIDS, RANGES)


def test_a_contested_cell_goes_to_the_smaller_object() -> None:
    for sizes in ([(10.0, 10.0), (8.0, 8.0)], [(8.0, 8.0), (10.0, 10.0)]):
        instances = instances_of([0, 0], [(41.0, 41.0), (42.0, 42.0)], sizes)
        targets = assign_cells(instances, CANVAS, GRIDS[:1], RANGES[:1])
        cell = 5 * 12 + 3  # 41 of 96 pixels is row 5 of 12, 41 of 160 column 3
        assert held_by(targets)[0, cell] == sizes.index((8.0, 8.0))


def test_the_same_cell_of_two_images_is_not_contested() -> None:
    instances = instances_of([0, 1], [(41.0, 41.0)] * 2, [(2.0, 2.0)] * 2)
    assert held_by(assign_cells(instances, CANVAS, GRIDS[:1], RANGES[:1])) == {
        (0, 63): 0,
        (1, 63): 1,
    }


def test_a_one_pixel_object_in_the_last_corner_has_a_cell() -> None:
    instances = instances_of([0], [(159.5, 95.5)], [(1.0, 1.0)])
    assert held_by(assign_cells(instances, CANVAS, GRIDS, RANGES)) == {(0, 143): 0}


def test_the_upper_end_of_a_scale_range_is_excluded() -> None:
    instances = instances_of([0], [(50.0, 50.0)], [(20.0, 20.0)])
    targets = assign_cells(instances, CANVAS, (12, 9), ((1, 20), (20, 40)))
    assert len(targets.cell) and (targets.cell >= 144).all()


def test_no_objects_no_cells() -> None:
    targets = assign_cells(instances_of([], [], []), CANVAS, GRIDS, RANGES)
    assert held_by(targets) == {}
    assert targets.cell.dtype == targets.instance.dtype == torch.int64
