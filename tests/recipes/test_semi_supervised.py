"""Semi-supervised recipes on a handful of images: every stage real, only Ray's workers stay out."""

from pathlib import Path

import pytest
import torch
from upath import UPath

from ray_wssis.config import ConfigError
from ray_wssis.recipes.catalogue import load_recipe
from ray_wssis.recipes.semi_supervised_config import SemiSupervisedConfig
from ray_wssis.semantic.segmenter import SemanticSegmenter
from ray_wssis.storage import read_json
from tests.support.in_process import stream_here, train_here
from tests.support.made import make
from tests.support.tiny_semantic import NETWORK

FEW = [
    "data.semantic_shapes={num_images: 10, num_validation_images: 3}",
    "data.masks=4",
    f"student.model.network={NETWORK}",
    "student.training={steps: 2, batch_size: 4, warmup_steps: 0}",
    "student.strong_images=2",
]


@pytest.mark.parametrize("method", ["cps", "mean_teacher", "unimatch"])
def test_every_stage_is_made_and_the_model_can_be_loaded(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray_wssis.training.run.train", train_here)
    monkeypatch.setattr("ray_wssis.streaming.stream.stream", stream_here)
    more = ["baseline=true", "upper_bound=true"] if method == "cps" else []
    config = load_recipe(f"{method}_shapes", [*FEW, *more])
    made = make(config, tmp_path / "run")
    assert list(made) == config.stages()
    SemanticSegmenter.load(UPath(made["student"] / "model"), torch.device("cpu"))
    figures = read_json(UPath(tmp_path / "run/metrics.json"))
    assert {"student/val/mIoU"} <= figures.keys()
    assert ("baseline/val/mIoU" in figures) == bool(more)
    assert "mIoU" in (tmp_path / "run/report/index.html").read_text()


def test_the_method_decides_what_else_there_is_to_set() -> None:
    config = load_recipe("cps_shapes", ["student.method={name: unimatch, cutmix: 0.2}"])
    assert isinstance(config, SemiSupervisedConfig)
    assert config.student.method.name == "unimatch"
    with pytest.raises(ConfigError, match="threshold"):
        load_recipe("cps_shapes", ["student.method.threshold=0.5"])


def test_sparse_labels_are_refused() -> None:
    sparse = ["data.masks=null", "data.sparse={kind: points, per_class: 1}"]
    with pytest.raises(ConfigError, match="recipe agmm"):
        load_recipe("cps_shapes", sparse)


@pytest.mark.parametrize("place", ["unimatch_shapes:student", "lpl_shapes:hybrid"])
def test_a_start_that_nothing_would_use_is_refused(place: str) -> None:
    name, stage = place.split(":")
    with pytest.raises(ConfigError, match="begin with the backbone alone"):
        load_recipe(name, [f"{stage}.start=runs/other/student/model"])
