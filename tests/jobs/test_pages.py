"""The pages of `jobs/` as scripts."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ray_wssis.cli.pipeline import run
from ray_wssis.cli.sentences import start_command
from ray_wssis.recipes.catalogue import load_recipe

JOBS = sorted((Path(__file__).parents[2] / "jobs").glob("*.py"))
FEW = ["--set", "data.shapes={num_images: 12, num_validation_images: 4, size: 64}"]


def test_there_is_a_page_for_whole_runs_and_one_for_more_labels() -> None:
    assert [job.stem for job in JOBS] == ["annotate", "full_pipeline"]


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.stem)
def test_a_page_is_a_page(job: Path) -> None:
    assert len(job.read_text().splitlines()) <= 40


def test_the_page_lists_the_stages_that_a_run_makes() -> None:
    (page,) = (job for job in JOBS if job.stem == "full_pipeline")
    listed = re.findall(r"^  (\w+)  ", page.read_text(), re.MULTILINE)
    assert listed == load_recipe("shapes").stages()


@pytest.mark.slow
def test_a_page_runs_as_a_script_from_any_folder(tmp_path: Path) -> None:
    (page,) = (job for job in JOBS if job.stem == "full_pipeline")
    words = ["--config", "shapes", "--out", "run", "--until", "split", *FEW]
    done = subprocess.run(
        [sys.executable, page, *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "run/split")
    assert (tmp_path / "run/split/manifest.json").exists()


def test_what_is_wrong_with_the_options_of_a_page_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["page.py", "-c", "shapes", "--out", str(tmp_path), "--set", "data.percnt=3"]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as stopped:
        start_command(run, "a page")
    assert stopped.value.code == 1
    assert "data.percnt: unknown key, did you mean data.percent?" in capsys.readouterr().err
