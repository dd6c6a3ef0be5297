"""Rounds of LPL and AGMM on a handful of images: every stage real, only Ray's workers stay out."""

from pathlib import Path
from typing import Any

import pytest

from ray_wssis.config import ConfigError
from ray_wssis.recipes.catalogue import load_recipe
from ray_wssis.storage import read_json
from tests.recipes.test_agmm import FEW as AGMM
from tests.recipes.test_lpl import FEW as LPL
from tests.support.in_process import stream_here, train_here
from tests.support.made import make

ROUNDS = ["rounds=2", "baseline=false", "upper_bound=false"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "few", "first"), [("lpl_shapes", LPL, "hybrid"), ("agmm_shapes", AGMM, "agmm")]
)
def test_a_student_labels_for_the_next_one_if_it_is_no_worse(
    name: str, few: list[str], first: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = []

    def train(task: Any, *others: Any) -> None:
        train_here(task, *others)
        trained.append(others[-1].name)

    monkeypatch.setattr("ray_wssis.training.run.train", train)
    monkeypatch.setattr("ray_wssis.streaming.stream.stream", stream_here)
    config = load_recipe(name, [*few, *ROUNDS])
    make(config, tmp_path, until="round_1_student")
    made = make(config, tmp_path)  # as after a kill
    assert list(made) == config.stages()
    assert trained == [first, "round_1_student", "student"]
    verdict = read_json(made["round_1_verdict"] / "verdict.json")
    assert verdict["num_audit_images"] == 2
    assert verdict["is_taken"] == (verdict["after"] >= verdict["before"])
    drawer = "round_1_student" if verdict["is_taken"] else first
    labeller = made["labels"].manifest["made_from"]["labeller"]
    assert labeller.startswith(made[drawer].part("model").digest)
    figures = read_json(made["evaluation"] / "metrics.json")
    for model in (first, "round_1_student", "student"):
        assert 0 <= figures[f"{model}/val/mIoU"] <= 100
    page = (made["report"] / "index.html").read_text()
    assert "The student of a round labels the images of the next one" in page


def test_rounds_need_a_student() -> None:
    with pytest.raises(ConfigError, match=r"rounds is 2 and there is no student.*give student"):
        load_recipe("agmm_shapes", ["labelling={}", "rounds=2"])
    for name in ("lpl_shapes", "cam_shapes"):
        with pytest.raises(ConfigError, match=r"rounds is 2 and student.ready is given"):
            load_recipe(name, ["student.ready=runs/mine/student/model", "rounds=2"])
