"""What `wssis budget` trains on, how it goes on after a kill, and what it says."""

from collections.abc import Iterator
from fractions import Fraction
from math import log2
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner
from upath import UPath

from ray_wssis.artifacts import Artifact, Workspace, open_stage, read_artifact
from ray_wssis.cli.app import app
from ray_wssis.cli.budget import show_budget
from ray_wssis.config import load_config
from ray_wssis.data.coco.read import read_coco
from ray_wssis.data.records import Records
from ray_wssis.instance.audit import audit
from ray_wssis.instance.label_config import AuditConfig
from ray_wssis.instance.split import STRONG, WEAK, WEAK_TRUTH, split
from ray_wssis.methods.point_wssis.labeller import PointLabeller
from ray_wssis.metrics.learning_curve import Gain, LearningCurve
from ray_wssis.recipes.labelling_budget.budget import (
    learning_curve,
    suggest,
    verdict,
    worth,
)
from ray_wssis.recipes.labelling_budget.cells import CELLS, Cell, amounts, cell_config, cut
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.run import Run
from ray_wssis.storage import read_json, write_json
from tests.recipes.test_zero_shot import TINY
from tests.support.drawn_labels import label_row, write_rows
from tests.support.run_in import run_in

SHARE = Fraction(1, 2)
SIZES = ["data.shapes={num_images: 16, num_validation_images: 2, size: 64}"]


def planted(run: Run, config: PointWSSISConfig) -> Iterator[Artifact]:
    """A recipe whose student gains 4 AP by a doubling of the masks and 1 by one of the points."""
    assert config.data.strong is not None and config.data.weak is not None
    masks, points = (
        len(read_coco(file, "", point_suffices=True).table["label"].combine_chunks().flatten())
        for file in (config.data.strong, config.data.weak)
    )
    stage = open_stage(run.folder / "evaluation", {"data": config.data})
    if isinstance(stage, Workspace):
        write_json(run.folder / "metrics.json", {"student/val/AP": 4 * log2(masks) + log2(points)})
        stage = stage.finish()
    yield stage


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UPath:
    monkeypatch.setattr("ray_wssis.recipes.labelling_budget.budget.point_wssis", planted)
    config = load_config(PointWSSISConfig, "shapes", [*TINY, *SIZES])
    split(run_in(tmp_path), config.data)
    return UPath(tmp_path)


def test_a_run_is_asked_what_more_labels_are_worth(folder: UPath) -> None:
    config = load_config(PointWSSISConfig, "shapes", [*TINY, *SIZES])
    trained = learning_curve(folder, config, SHARE, repeats=2)
    assert [each.cell for each in trained] == [*CELLS, *CELLS]
    assert {each.seed for each in trained} == {0, 1}
    strong = Records.read(folder / "split" / STRONG)
    assert trained[0].num_masks == sum(len(record.objects) for record in strong)
    assert trained[1].num_masks < trained[2].num_masks < trained[3].num_masks
    assert trained[3].num_points < trained[4].num_points < trained[2].num_points
    result = worth(folder, trained, SHARE, trained[0].num_masks, 2000)
    assert result["AP_per_doubling"] == pytest.approx({"masks": 4, "points": 1})
    assert result["more"]["masks"]["AP"] == pytest.approx(4)
    assert result == read_json(folder / "budget/budget.json")
    console = Console(record=True, width=100)
    show_budget(console, result)
    assert "more masks are worth about +4.0 AP" in console.export_text()


def test_what_people_draw_in_a_list_stays(folder: UPath) -> None:
    data = read_artifact(folder / "split")
    labels = open_stage(folder / "labels", {"by": "hand"})
    assert isinstance(labels, Workspace)
    weak = Records.read(data / WEAK_TRUTH)
    write_rows([label_row(record) for record in weak], labels / "rows/0.parquet")
    audit(run_in(folder), data, labels.finish(), PointLabeller.signals, AuditConfig())
    listed = suggest(folder, 3)
    assert listed.folder.name == "next_images"
    (listed / "labels.json").write_text("drawn on")
    assert suggest(folder, 3).folder == listed.folder
    assert suggest(folder, 2).folder.name == "next_images_2"
    assert (listed / "labels.json").read_text() == "drawn on"


def test_trainings_that_are_finished_are_not_made_again(folder: UPath) -> None:
    config = load_config(PointWSSISConfig, "shapes", [*TINY, *SIZES])
    first = learning_curve(folder, config, SHARE, repeats=1)
    made = read_artifact(folder / "budget/seed_0/masks_25/evaluation").manifest
    assert learning_curve(folder, config, SHARE, repeats=1) == first
    assert read_artifact(folder / "budget/seed_0/masks_25/evaluation").manifest == made


def test_a_training_reads_its_part_of_the_data(folder: UPath) -> None:
    config = load_config(PointWSSISConfig, "shapes", [*TINY, *SIZES])
    cuts = cut(run_in(folder), read_artifact(folder / "split"))
    own = cell_config(config, cuts, Cell(masks=50, points=100), SHARE, None)
    made = split(run_in(folder / "cell"), own.data)
    strong, weak = Records.read(made / STRONG), Records.read(made / WEAK)
    assert [record.file for record in strong] == files_in(cuts / "masks_50.json")
    whole = {record.file: record for record in Records.read(folder / "split" / WEAK)}
    for record in weak:
        assert record == whole[record.file]


@pytest.fixture
def data(tmp_path: Path) -> Artifact:
    config = load_config(PointWSSISConfig, "shapes", [*TINY, *SIZES])
    return split(run_in(tmp_path), config.data)


def test_parts_are_within_one_another(tmp_path: Path, data: Artifact) -> None:
    cuts = cut(run_in(tmp_path), data)
    for kind, source in (("masks", STRONG), ("points", WEAK)):
        files = [set(files_in(cuts / f"{kind}_{share}.json")) for share in (25, 50, 100)]
        assert [len(files) for files in files] == [2, 4, 8]
        assert files[0] < files[1] < files[2]
        assert files[2] == {record.file for record in Records.read(data / source)}
    quarter = read_coco(cuts / "masks_25.json", "")
    number, _ = amounts(cuts, Cell(masks=25, points=100))
    assert number == sum(len(record.objects) for record in quarter)


def files_in(file: UPath) -> list[str]:
    return [record.file for record in read_coco(file, "", point_suffices=True)]


def test_too_few_images_tell_nothing(tmp_path: Path) -> None:
    few = ["data.shapes={num_images: 12, num_validation_images: 2, size: 64}"]
    config = load_config(PointWSSISConfig, "shapes", [*TINY, *few])
    made = split(run_in(tmp_path), config.data)
    with pytest.raises(ValueError, match="6 strong images tell no learning curve; wanted: 8"):
        cut(run_in(tmp_path), made)


def test_fewer_points_are_drawn_by_the_networks_of_all_masks(tmp_path: Path) -> None:
    stage = open_stage(tmp_path / "cuts", {"by": "hand"})
    assert isinstance(stage, Workspace)
    cuts = stage.finish()
    config = load_config(PointWSSISConfig, "shapes", ["rounds=2", "upper_bound=true"])
    own = cell_config(config, cuts, CELLS[0], Fraction(1, 3), None)
    assert (own.rounds, own.upper_bound, own.teacher.ready) == (1, False, None)
    assert (own.teacher.training.steps, own.student.training.steps) == (100, 150)
    drawn = cell_config(config, cuts, CELLS[3], Fraction(1, 3), UPath("/all"))
    assert drawn.teacher.ready == "/all/teacher/model"
    assert drawn.refiner.ready == "/all/refiner/model"
    assert drawn.student.ready is None
    assert drawn.data.weak == str(cuts / "points_25.json")
    assert PointWSSISConfig.model_validate(drawn.model_dump()) == drawn


def test_a_gain_that_is_none_and_one_that_is_a_guess_are_called_so() -> None:
    curve = LearningCurve.fit([100, 50, 100, 25], [900, 900, 300, 900], [9.0, 8.0, 8.5, 7.1])
    gains = {"masks": Gain(ap=1.0, low=-0.5, high=2.5), "points": Gain(ap=2.0, low=1, high=3)}
    text = verdict(curve, gains, 50, 2000)
    assert text.startswith(
        "50 more masks are worth about +1.0 AP (90 %: -0.5 to +2.5); 2,000 more points are worth "
        "about +2.0 AP"
    )
    assert "The gain of more masks cannot be told from none" in text
    assert "more than twice the points there are" in text


def test_a_folder_that_is_no_run_is_refused_and_not_made(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["budget", str(tmp_path / "typo")])
    assert result.exit_code == 1
    assert "typo holds no run" in result.stderr
    assert not (tmp_path / "typo").exists()
