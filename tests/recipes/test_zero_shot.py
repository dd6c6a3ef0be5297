"""A run whose masks a tiny random SAM draws: every stage real, only Ray's workers stay out."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from upath import UPath
from wssis_serve.engines.models import find_models

from ray_wssis.artifacts import Artifact
from ray_wssis.cli.audit import audit_command
from ray_wssis.cli.compare import show_comparison
from ray_wssis.config import ConfigError, load_config
from ray_wssis.data.coco.file import load_json
from ray_wssis.instance.segmenter_config import read_config
from ray_wssis.models.model_folder import find_model
from ray_wssis.recipes.compare import compare, read_run_config
from ray_wssis.recipes.labeller_config import LabellerConfig
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.recipes.point_wssis_estimate import seconds
from ray_wssis.storage import read_json
from ray_wssis.streaming.table import read_rows
from ray_wssis.training.timing import Timing
from tests.recipes.test_point_wssis_estimate import NUMBER
from tests.support.in_process import refuse_work, stream_here, train_here
from tests.support.made import make
from tests.support.tiny_sam import write_sam

TINY = [
    "estimate=false",
    "data.shapes={num_images: 12, num_validation_images: 2, size: 64}",
    "data.percent=50",
    "data.audit=0.34",
    "student.model.shorter=64",
    "student.augment={shorter: [64], longest: 128}",
    "student.model.network.backbone={name: resnet18, weights: none, frozen_stages: 1, norm: batch}",
    "student.training={steps: 1, batch_size: 2, warmup_steps: 0, max_validation_images: 2}",
]


def config(*changes: str) -> PointWSSISConfig:
    return load_config(PointWSSISConfig, "shapes", [*TINY, *changes])


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sam(tmp_path_factory.mktemp("sam") / "weights", "sam")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("zero_shot") / "run"


@pytest.fixture(scope="module")
def made(weights: Path, folder: Path) -> Iterator[dict[str, Artifact]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ray_wssis.training.run.train", train_here)
        patch.setattr("ray_wssis.streaming.stream.stream", stream_here)
        yield make(config(f"labeller=sam:{weights}"), folder)


def test_a_student_learns_without_a_teacher(made: dict[str, Artifact]) -> None:
    assert list(made) == config("labeller=sam").stages()
    assert not {"teacher", "refiner", "rough_masks"} & made.keys()
    assert read_config(made["student"] / "model").shorter == 64
    figures = read_json(made["evaluation"] / "metrics.json")
    assert {"student/val/AP", "pseudo/refined/mIoU"} <= figures.keys()
    assert "teacher/val/AP" not in figures


def test_masks_carry_who_drew_them_and_an_expected_iou(made: dict[str, Artifact]) -> None:
    merged = load_json(made["merged"] / "shapes_50p_sw_refined.json")
    drawn = [each for each in merged["annotations"] if "pseudo" in each]
    assert drawn and all(len(each["pseudo"]["sam"]) == 12 for each in drawn)
    assert any("expected_iou" in each for each in drawn)
    columns = ["image_id", "rough", "refined", "predicted_iou", "error"]
    for row in read_rows(made["labels"] / "rows", columns):
        assert row["error"] is None and row["rough"] == row["refined"]
        assert len(row["predicted_iou"]) == len(row["refined"])


def test_the_audit_and_the_report_need_no_teacher(
    made: dict[str, Artifact], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audit_command(str(folder))
    assert "masks for" in capsys.readouterr().out
    assert "<html" in (made["report"] / "index.html").read_text()


def test_the_student_is_found_where_there_is_no_teacher(
    made: dict[str, Artifact], folder: Path
) -> None:
    served = find_models(folder)
    assert served.student == str(made["student"] / "model")
    assert served.teacher is None and served.refiner is None
    assert find_model(UPath(folder)) == made["student"] / "model"  # what is exported


def test_a_finished_run_is_not_made_again(
    made: dict[str, Artifact], weights: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_work(monkeypatch)
    again = make(config(f"labeller=sam:{weights}"), folder)
    assert again["report"].manifest == made["report"].manifest


def test_labellers_are_compared_and_the_page_shows_it(
    made: dict[str, Artifact],
    weights: Path,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ray_wssis.streaming.stream.stream", stream_here)
    monkeypatch.setattr("ray_wssis.recipes.compare.cached", lambda: None)
    other = f"sam:{write_sam(tmp_path / 'weights', 'sam', seed=1)}"
    names = ["student", "walker", other]
    run, resolved = UPath(folder), read_run_config(UPath(folder))
    result = compare(run, resolved, names, price=2.0)
    own, student, walker, rival = result["labellers"]
    assert (own["name"], own["role"], own["saw"]) == ("sam", "own", False)
    assert (student["name"], student["saw"]) == ("student", True)
    assert (walker["role"], walker["num_objects"]) == ("simple", own["num_objects"])
    assert (rival["name"], rival["role"]) == (other, "zero-shot")
    audited = read_json(made["audit"] / "audit.json")["audit"]
    assert own["num_objects"] == rival["num_objects"] == audited["num_objects"] > 0
    assert own["mIoU"] == pytest.approx(audited["mIoU"])
    assert rival["difference"] == pytest.approx(rival["mIoU"] - own["mIoU"])
    assert rival["low"] is rival["high"] is None  # of two images
    refuse_work(monkeypatch)
    assert compare(run, resolved, names, price=2.0) == result
    page = make(config(f"labeller=sam:{weights}"), folder)["report"] / "index.html"
    assert result["verdict"].split(":")[0] in page.read_text()
    console = Console(width=80, record=True)
    show_comparison(console, result)
    assert "student*" in (text := console.export_text()) and result["verdict"] in text


def test_labellers_that_cannot_be_compared(made: dict[str, Artifact], folder: Path) -> None:
    run, resolved = UPath(folder), read_run_config(UPath(folder))
    with pytest.raises(
        ValueError, match=r"no labeller yolo; known: teacher, student, walker, point_wssis"
    ):
        compare(run, resolved, ["yolo"], None)
    with pytest.raises(ValueError, match="has no finished teacher to compare"):
        compare(run, resolved, ["teacher"], None)
    with pytest.raises(ValueError, match=r"holds no run: there is no config\.resolved\.yaml"):
        read_run_config(run / "split")


def test_missing_weights_are_said_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"sam2 needs weights.*as in sam2:facebook"):
        make(config("labeller=sam2"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_labeller_is_a_word_or_a_section() -> None:
    assert LabellerConfig.model_validate("sam2:a/b") == LabellerConfig(name="sam2", weights="a/b")
    assert config("labeller.name=sam2", "labeller.weights=w").labeller.weights == "w"
    assert config().labeller.is_trained


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (["labeller=sam5"], "labeller.name: got 'sam5'.*'point_wssis', 'sam2'"),
        (["labeller=point_wssis:w"], "point_wssis trains its own"),
        (["labeller=sam2", "rounds=2"], "rounds is 2 and the labeller is sam2"),
    ],
)
def test_a_labeller_that_cannot_be(changes: list[str], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        config(*changes)


def test_the_time_of_an_unknown_labeller_is_not_estimated() -> None:
    took = seconds(config("labeller=sam2"), NUMBER, {"student": Timing(1.0, 0.2)})
    assert list(took) == ["student", "evaluation"]
    assert took["evaluation"] == pytest.approx(10 + 20 * 0.2)
