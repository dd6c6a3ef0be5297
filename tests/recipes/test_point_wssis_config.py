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
    ],
)
def test_what_cannot_work_is_refused_before_it_begins(change: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        load_config(PointWSSISConfig, "shapes", [change])
