"""Two rounds of PointWSSIS on a handful of shapes, without Ray."""

import json
from pathlib import Path

import pytest

from ray_wssis.artifacts import Artifact
from ray_wssis.config import load_config
from ray_wssis.data.records import Records
from ray_wssis.instance.merge import MERGED
from ray_wssis.instance.split import AUDIT, STRONG, TAUGHT, WEAK
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.verdict import is_taken
from tests.recipes.test_configs_run import NARROW
from tests.recipes.test_configs_run import SMALL as FEW_STEPS
from tests.support.in_process import stream_here, train_here
from tests.support.made import make

pytestmark = pytest.mark.slow

DATA = ["data.shapes={num_images: 8, num_validation_images: 2, size: 64}", "data.percent=50"]
ROUNDS = ["rounds=2", "data.audit=0.5", "estimate=false"]


def config(*changes: str) -> PointWSSISConfig:
    return load_config(PointWSSISConfig, "shapes", [*FEW_STEPS, *NARROW, *DATA, *ROUNDS, *changes])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rounds")


@pytest.fixture(scope="module")
def made(folder: Path) -> dict[str, Artifact]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ray_wssis.training.run.train", train_here)
        patch.setattr("ray_wssis.streaming.stream.stream", stream_here)
        return make(config(), folder)


def test_every_round_has_stages_of_its_own(made: dict[str, Artifact]) -> None:
    assert list(made) == config().stages()
    assert list(made)[4:9] == [
        f"round_1_{name}" for name in ("labels", "audit", "merged", "student", "verdict")
    ]


def test_only_the_last_student_learns_from_audit_images(made: dict[str, Artifact]) -> None:
    ids = {
        name: {record.image_id for record in Records.read(made["split"] / name)}
        for name in (STRONG, TAUGHT, AUDIT, WEAK)
    }
    earlier = {record.image_id for record in Records.read(made["round_1_merged"] / MERGED)}
    last = {record.image_id for record in Records.read(made["merged"] / MERGED)}
    assert ids[AUDIT] and not earlier & ids[AUDIT]
    assert earlier >= ids[TAUGHT] and last >= ids[STRONG]


def test_the_better_one_draws(made: dict[str, Artifact]) -> None:
    student = made["round_1_student"].hash_of("model")
    drawn_by = made["labels"].manifest["made_from"]["labeller"].split()[0]
    assert (drawn_by == student) == is_taken(made["round_1_verdict"].folder)


def test_every_round_is_measured(made: dict[str, Artifact], folder: Path) -> None:
    figures = json.loads((folder / "metrics.json").read_text())
    for prefix in ("round_1_", ""):
        assert f"{prefix}student/val/AP" in figures
        assert f"{prefix}pseudo/refined/mIoU" in figures
    assert 'id="rounds"' in (made["report"] / "index.html").read_text()


def test_a_ready_student_leaves_nothing_for_rounds() -> None:
    with pytest.raises(ValueError, match=r"rounds is 2 and student\.ready is given"):
        config("student.ready=somewhere")
