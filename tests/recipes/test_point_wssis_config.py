import pytest

from ray_wssis.config import ConfigError, load_config
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("teacher.training.early=[]", "teacher.training.early is empty: the refiner learns from"),
        ("teacher.training.early=[100, 999]", r"early \[999\]: these steps are not among the 300"),
        ("teacher.ready=models/teacher", "refiner.ready is not: a refiner learns from the masks"),
        ("training_workers.number=9", "batch norm needs two crops for each of the 9"),
        ("training_workers.number=3", "teacher.training.batch_size is 16 .* multiple of 3"),
        (
            "training_workers={number: 2, max_number: 4}",
            "teacher.training.batch_size is 16 .* shared by 3; make it a multiple of 12",
        ),
        ("training_workers={number: 2, max_number: 9}", "two crops for each of the 9"),
        (
            "refiner.model.crop_size=80",
            "refiner.model: crop_size is 80, it must be a multiple of 32",
        ),
        ("teacher.model.longest=64", "teacher.model: longest is 64, less than shorter, 128"),
        ("student.model.scale_ranges.2=[9, 1]", "scale_ranges"),
        ("teacher.augment.shorter=[]", "teacher.augment.shorter"),
        ("teacher.model.network.norm_groups=7", "head_channels is 64, it must be a multiple of"),
        ("refiner.augment.max_scale=0.5", "max_scale is 0.5, below min_scale"),
        ("teacher.start=teacher", "a teacher cannot start from itself"),
        ("labelling_workers={number: 2, max_number: 1}", "max_number 1 is below number 2"),
    ],
)
def test_what_cannot_work_is_refused_before_it_begins(change: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        load_config(PointWSSISConfig, "shapes", [change])
