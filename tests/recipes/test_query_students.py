"""Runs whose student finds objects with queries: every stage real, only Ray's workers stay out."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from upath import UPath
from wssis_serve.config import ServeConfig
from wssis_serve.engines.instance import InstanceEngine
from wssis_serve.engines.models import find_models
from wssis_serve.segmented import Question

from ray_wssis.artifacts import Artifact
from ray_wssis.config import ConfigError, load_config
from ray_wssis.data.records import Records
from ray_wssis.instance.export import Detector, export
from ray_wssis.instance.query_segmenter import QuerySegmenter, load_segmenter
from ray_wssis.instance.segmenter import Segmenter
from ray_wssis.models.canvas import pad_images
from ray_wssis.recipes.compare import find_rival, usual_names
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.recipes.point_wssis_losses import warn_of_lost_objects
from ray_wssis.run import Run
from ray_wssis.storage import read_json
from tests.recipes.test_zero_shot import TINY
from tests.support.in_process import stream_here, train_here
from tests.support.made import make
from tests.support.tiny_eomt import TINY_EOMT
from tests.support.tiny_rf_detr import TINY_RF_DETR
from tests.support.tiny_sam import write_sam

pytest.importorskip("transformers")
pytest.importorskip("scipy")

NETWORKS = {"eomt": TINY_EOMT, "rf_detr": TINY_RF_DETR}
CARDS = {
    "eomt": "EoMT with 3 layers of 32 channels",
    "rf_detr": "RF-DETR with 3 layers of 32 channels",
}


def config(*changes: str, key: str = "eomt") -> PointWSSISConfig:
    sizes = [
        f"student.model.{key}={NETWORKS[key].model_dump(mode='json')}",
        "student.model.longest=96",
        "student.augment.longest=96",
        "student.start=null",
        "student.model.inference.min_score=0",
    ]
    return load_config(PointWSSISConfig, "shapes", [*TINY, *sizes, *changes])


@pytest.fixture(scope="module", params=list(NETWORKS))
def key(request: pytest.FixtureRequest) -> str:
    """The name of the network in a configuration."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def made(key: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Artifact]]:
    folder = tmp_path_factory.mktemp(key)
    weights = write_sam(folder / "weights", "sam")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ray_wssis.training.run.train", train_here)
        patch.setattr("ray_wssis.streaming.stream.stream", stream_here)
        yield make(config(f"labeller=sam:{weights}", key=key), folder / "run")


def test_it_is_trained_and_measured(made: dict[str, Artifact], key: str) -> None:
    model = made["student"] / "model"
    assert f"# student: {CARDS[key]}" in (model / "model_card.md").read_text()
    assert "student/val/AP" in read_json(made["evaluation"] / "metrics.json")
    assert isinstance(load_segmenter(model, torch.device("cpu")), QuerySegmenter)
    with pytest.raises(ValueError, match=r"holds .* cannot be asked for the mask at a point"):
        Segmenter.load(model, torch.device("cpu"))


def test_what_is_exported_finds_the_same(made: dict[str, Artifact], tmp_path: Path) -> None:
    model = made["student"] / "model"
    file = export(model, tmp_path / "student.onnx", "onnx")
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    image, sizes = pad_images([pixels])
    found = session.run(None, {"image": image.numpy(), "size": sizes[0].numpy()})
    with torch.no_grad():
        expected = Detector(load_segmenter(model, torch.device("cpu")))(image, sizes[0])
    for ours, theirs in zip(expected, found, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-4)


def test_it_is_served(made: dict[str, Artifact]) -> None:
    folder = made["student"].folder.parent
    engine = InstanceEngine(
        find_models(folder), ServeConfig(model=str(folder)), torch.device("cpu")
    )
    engine.attempt()
    record = Records.read(made["split"] / "val.parquet")[0]
    image = engine.decode(UPath(record.file).read_bytes())
    found = engine.finish(image, engine.infer([image])[0], Question(threshold=0.0))
    assert found.instances
    scores = [instance.score for instance in found.instances]
    assert scores == sorted(scores, reverse=True)


def test_it_is_no_labeller(made: dict[str, Artifact], key: str) -> None:
    folder, own = made["student"].folder.parent, config(key=key)
    assert usual_names(folder, own) == ["walker"]
    with pytest.raises(ValueError, match=rf"the student of .* is {CARDS[key]}, .* leave it out"):
        find_rival(Run(own, folder), "student", Records.read(made["split"] / "taught.parquet"))


def test_its_sizes_are_none_of_the_levels_of_solov2(
    made: dict[str, Artifact], key: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    own = config("labeller=sam", key=key)
    warn_of_lost_objects(Run(own, tmp_path), own, made["split"])
    assert "student" not in caplog.text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["teacher.model.eomt={side: 256}"], "only SOLOv2 can be asked"),
        (["teacher.model.rf_detr={side: 432}"], "give student.model.rf_detr"),
        (["student.model.rf_detr={}"], "eomt and rf_detr are given: a student has one network"),
        (["rounds=2"], "rounds is 2 and student.model.eomt is given"),
        (["student.start=teacher"], "the teacher is another network; set student.start to null"),
        (["student.model.longest=128"], "longest is 128, more than the side of eomt's canvas, 96"),
        (["student.augment.longest=128"], "augment.longest is 128, more than the side"),
    ],
)
def test_what_it_cannot_be_used_for_is_refused(changes: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        config(*changes)
