"""The pages of `jobs/` as Ray jobs, on a real head with dashboard."""

import pytest

from tests.small_run import Submitted, submit

pytestmark = pytest.mark.slow

STAGES = ["split", "teacher", "rough", "refiner", "labels", "merged", "student", "evaluation"]


def test_the_whole_pipeline_runs_as_a_ray_job(small_run: Submitted) -> None:
    said = small_run.job.stdout + small_run.job.stderr
    assert small_run.job.returncode == 0, said
    for stage in [*STAGES, "report"]:
        assert f"{stage}: done in" in said
        assert (small_run.folder / stage / "manifest.json").exists()
    assert f"{small_run.folder}/report/index.html" in said


def test_a_relative_out_is_refused_in_a_ray_job(ray_head: str) -> None:
    done = submit(ray_head, "jobs/full_pipeline.py", "--config", "shapes", "--out", "runs/x")
    assert done.returncode == 1
    assert "--out runs/x is relative" in done.stdout + done.stderr
