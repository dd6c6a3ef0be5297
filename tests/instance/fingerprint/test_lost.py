from typing import Any

import numpy as np

from ray_wssis.data.points.kind import PointKind
from ray_wssis.data.split.cut import as_weak
from ray_wssis.instance.fingerprint.lost import Cells, count_lost
from ray_wssis.instance.fingerprint.measured import measure
from ray_wssis.instance.segmenter_config import SegmenterStage
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


def stage(**changes: Any) -> SegmenterStage:
    """Return a stage of five levels on 96 x 96 network pixels."""
    values: dict[str, Any] = {
        "model": {
            "network": {"grids": [4, 3, 2, 2, 2]},
            "scale_ranges": [[1, 8], [8, 20], [20, 32], [32, 64], [64, 128]],
            "shorter": 96,
            "longest": 96,
            "inference": {"max_instances": 3},
        },
        "augment": {"shorter": [96], "min_crop": 1.0},
        "training": {"steps": 1},
    }
    return SegmenterStage.model_validate(values | changes)


def test_what_a_network_cannot_see_is_counted() -> None:
    tiny = image_of(1, [(5 * i, 0, 1) for i in range(3)] + [(10, 10, 30)], 96, 96)
    lost = count_lost(measure(records_of(tiny), EMPTY), stage())
    assert (lost.num_masks, lost.too_small, lost.beyond_cap, lost.nowhere) == (4, 3, 1, 0)
    assert [level.share for level in lost.levels] == [0.75, 0, 0.25, 0, 0]
    assert lost.levels[0].shared == 2 / 3  # cells of 24 pixels: all three share one
    assert ("beyond 3 in an image", "1 of 4 objects") in lost.rows()


def test_what_is_lost_is_said_with_the_remedy() -> None:
    tiny = image_of(1, [(5 * i, 0, 1) for i in range(3)] + [(10, 10, 30)], 96, 96)
    said = list(count_lost(measure(records_of(tiny), EMPTY), stage()).complaints(disjoint=True))
    assert [sentence.rpartition("; ")[2] for sentence in said] == [
        "raise shorter and longest",
        *["choose scale_ranges by your objects, as `wssis plan` does"] * 3,
        "raise network.grids",
        "raise inference.max_instances",
    ]
    assert said[1].startswith("the level of sizes 8 to 20 gets 0 % of the 4 masks")
    assert said[4].startswith("about 50 % of 4 objects share a cell with another one, 67 %")


def test_a_level_that_crops_fill_is_not_empty() -> None:
    measured = measure(records_of(image_of(1, [(10, 10, 30)], 96, 96)), EMPTY)
    zoomed = stage(augment={"shorter": [48, 96], "min_crop": 0.5})
    assert [level.trained > 0 for level in count_lost(measured, zoomed).levels] == [
        False,
        True,
        True,
        True,
        False,
    ]
