"""A split of built-in images."""

import pytest

from ray_wssis.artifacts import Artifact
from ray_wssis.semantic.split import split
from ray_wssis.semantic.split_config import SemanticDataConfig, SemanticShapesConfig
from tests.support.run_in import run_in

SHAPES = SemanticShapesConfig(num_images=20, num_validation_images=4)


@pytest.fixture(scope="session")
def shapes_split(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    config = SemanticDataConfig(name="shapes", semantic_shapes=SHAPES, masks=8, audit=0.25)
    return split(run_in(tmp_path_factory.mktemp("semantic")), config)
