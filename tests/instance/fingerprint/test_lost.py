import numpy as np

from ray_wssis.data.point_kind import PointKind
from ray_wssis.data.split import as_weak
from ray_wssis.instance.fingerprint.lost import Cells, count_lost
from ray_wssis.instance.fingerprint.measured import measure
from ray_wssis.instance.segmenter_config import SegmenterConfig
from ray_wssis.models.solov2_config import InferenceConfig, SOLOv2Config
from tests.support.squares import image_of, records_of

EMPTY = records_of()
# Of 96 x 96 network pixels; a grid of 2 has cells of 48.
NEAR = image_of(1, [(10, 10, 10), (30, 30, 10), (70, 70, 10)], 96, 96)


def test_objects_whose_cell_is_taken_are_counted() -> None:
    measured = measure(records_of(NEAR), EMPTY)
    cells = Cells.of(measured, 96, 96)
    assert cells.shared(2, np.array([True, True, True])) == 1 / 3
    assert cells.shared(2, np.array([True, False, True])) == 0
    assert cells.shared(8, np.array([True, True, True])) == 0


def test_points_count_with_the_share_of_masks_that_are_on_the_level() -> None:
    pointed = records_of(image_of(2, [(10, 10, 10), (30, 30, 10)], 96, 96))
    weak = as_weak(pointed, PointKind.CENTER, seed=0)
    measured = measure(records_of(NEAR), weak)
    one = np.array([True, False, False])
    # Two points in one cell are both on the level with 1/9: 2/3 - (1 - 4/9) = 1/9.
    assert np.isclose(Cells.of(measured, 96, 96).shared(2, one), (1 / 9) / (1 + 2 / 3))


def test_what_a_network_cannot_see_is_counted() -> None:
    tiny = image_of(1, [(5 * i, 0, 1) for i in range(3)] + [(10, 10, 30)], 96, 96)
    config = SegmenterConfig(
        network=SOLOv2Config(grids=(4, 3, 2, 2, 2)),
        scale_ranges=((1, 8), (8, 20), (20, 32), (32, 64), (64, 128)),
        shorter=96,
        longest=96,
        inference=InferenceConfig(max_instances=3),
    )
    lost = count_lost(measure(records_of(tiny), EMPTY), config)
    assert (lost.num_masks, lost.too_small, lost.beyond_cap, lost.nowhere) == (4, 3, 1, 0)
    assert [level.share for level in lost.levels] == [0.75, 0, 0.25, 0, 0]
    assert lost.levels[0].shared == 2 / 3  # cells of 24 pixels: all three share one
