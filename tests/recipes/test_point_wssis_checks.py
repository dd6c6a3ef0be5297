from pathlib import Path

import pytest

from ray_wssis.artifacts import Artifact
from ray_wssis.config import load_config
from ray_wssis.instance.split import ALL, split
from ray_wssis.instance.split_config import DataConfig, ShapesConfig
from ray_wssis.recipes.point_wssis_checks import check_what_comes_later
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from tests.support.run_in import run_in
from tests.support.tiny_run import write_run


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    shapes = ShapesConfig(num_images=8, num_validation_images=2, size=64)
    return split(run_in(tmp_path_factory.mktemp("data")), DataConfig(shapes=shapes, percent=25))


def check(data: Artifact, *changes: str) -> None:
    check_what_comes_later(load_config(PointWSSISConfig, "shapes", list(changes)), data)


def test_models_of_these_classes_are_fine(data: Artifact, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    ready = [f"{name}.ready={run / name / 'model'}" for name in ("teacher", "refiner")]
    check(data, *ready, f"student.start={run / 'teacher/model'}", "upper_bound=true")
    check(data, "student.start=backbone")


@pytest.mark.parametrize("name", ["teacher", "refiner", "student"])
def test_a_folder_without_a_model_is_refused(data: Artifact, tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name}\.start: .* is not a model folder"):
        check(data, f"{name}.start={tmp_path}")


def test_a_ready_model_of_another_kind_is_refused(data: Artifact, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    with pytest.raises(
        ValueError, match=r"^student\.ready: .* holds a refiner, wanted a segmenter"
    ):
        check(data, f"student.ready={run / 'refiner/model'}")


def test_an_upper_bound_without_all_masks_is_refused(data: Artifact) -> None:
    file = data / ALL
    masks = file.read_bytes()
    file.unlink()
    try:
        with pytest.raises(ValueError, match="true masks of the 6 weak images are not all known"):
            check(data, "upper_bound=true")
        check(data)
    finally:
        file.write_bytes(masks)


def test_so_is_one_without_any_point(tmp_path: Path) -> None:
    shapes = ShapesConfig(num_images=8, num_validation_images=2, size=64)
    config = DataConfig(shapes=shapes, percent=25, unlabelled_percent=75)
    data = split(run_in(tmp_path), config)
    (data / ALL).unlink()
    with pytest.raises(ValueError, match="true masks of the images without points are not all"):
        check(data, "upper_bound=true")
