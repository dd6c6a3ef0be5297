"""A small split of the built-in data set, and networks that have learnt nothing yet."""

from pathlib import Path

import pytest
import torch
from upath import UPath

from ray_wssis.artifacts import Artifact
from ray_wssis.config import load_config
from ray_wssis.data.records import Records
from ray_wssis.instance.segmenter import Segmenter
from ray_wssis.instance.split import STRONG, split
from ray_wssis.instance.split_config import DataConfig, ShapesConfig
from ray_wssis.methods.point_wssis.refiner import Refiner
from ray_wssis.models.mask_refine_net import MaskRefineNet
from ray_wssis.models.solov2 import SOLOv2
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from tests.support.run_in import run_in

DATA = DataConfig(
    name="shapes",
    shapes=ShapesConfig(num_images=8, num_validation_images=2, size=64),
    percent=25,
)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return split(run_in(tmp_path_factory.mktemp("data")), DATA)


@pytest.fixture(scope="session")
def untrained(data: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the models `teacher` and `refiner`."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("untrained")
    config = load_config(PointWSSISConfig, "shapes")
    categories = Records.read(data / STRONG).categories
    teacher = config.teacher.model
    network = SOLOv2(teacher.network, len(categories))
    Segmenter(network, teacher, categories).save(UPath(folder / "teacher"), "# untrained\n")
    refiner = MaskRefineNet(config.refiner.model, len(categories))
    Refiner(refiner, categories).save(UPath(folder / "refiner"), "# untrained\n")
    return folder
