"""The pages of `jobs/` as scripts."""

import subprocess
import sys
from pathlib import Path

import pytest

from ray_wssis.cli.app import start

JOBS = sorted((Path(__file__).parent.parent.parent / "jobs").glob("*.py"))
FEW = ["--set", "data.shapes={num_images: 12, num_validation_images: 4, size: 64}"]


def test_there_is_a_page_for_the_whole_and_for_every_stage() -> None:
    assert {job.stem for job in JOBS} == {
        "annotate",
        "evaluate",
        "full_pipeline",
        "pseudo_label",
        "report",
        "split",
        "train_refiner",
        "train_student",
        "train_teacher",
    }


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.stem)
def test_a_page_is_a_page(job: Path) -> None:
    assert len(job.read_text().splitlines()) <= 40


@pytest.mark.slow
def test_a_page_runs_as_a_script_from_any_folder(tmp_path: Path) -> None:
    split = str(next(job for job in JOBS if job.stem == "split"))
    done = subprocess.run(
        [sys.executable, split, "--config", "shapes", "--out", "run", *FEW],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "run/split")
    assert (tmp_path / "run/split/manifest.json").exists()


def test_what_is_wrong_with_the_options_of_a_page_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["split.py", "-c", "shapes", "--out", str(tmp_path), "--set", "data.percnt=3"]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as stopped:
        start(lambda run: run.data)
    assert stopped.value.code == 1
    assert "data.percnt: unknown key, did you mean data.percent?" in capsys.readouterr().err
