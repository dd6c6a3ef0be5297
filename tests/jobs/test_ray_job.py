"""The pages of `jobs/` as Ray jobs, on a real head with dashboard."""

import os
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from upath import UPath

from ray_wssis.recipes.catalogue import load_recipe
from ray_wssis.training.folder import RUN
from ray_wssis.training.metrics_log import read_metrics
from tests.support.small_run import RAY, SMALL, Submitted, part_of, running_head, submit
from tests.support.training_workers import held_in_a_step
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

PAGE = ["jobs/full_pipeline.py", "--config", "shapes"]


def test_the_whole_pipeline_runs_as_a_ray_job(small_run: Submitted) -> None:
    said = small_run.job.stdout + small_run.job.stderr
    assert small_run.job.returncode == 0, said
    for stage in load_recipe("shapes").stages():
        assert f"{stage}: done in" in said
        assert (small_run.folder / stage / "manifest.json").exists()
    assert f"{small_run.folder}/report/index.html" in said


def test_a_semantic_recipe_runs_as_a_ray_job(ray_head: str, tmp_path: Path) -> None:
    few = ["estimate=false", "data.semantic_shapes={num_images: 12, num_validation_images: 2}"]
    few += ["data.masks=6", "hybrid.training={steps: 1, batch_size: 12, warmup_steps: 0}"]
    page = ["jobs/full_pipeline.py", "--config", "lpl_shapes", "--until", "labels"]
    sets = [word for change in few for word in ("--set", change)]
    done = submit(ray_head, *page, "--out", str(tmp_path / "run"), *sets)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "run/labels/manifest.json").exists()


def test_a_relative_out_is_refused_in_a_ray_job(ray_head: str) -> None:
    done = submit(ray_head, *PAGE, "--out", "runs/x")
    assert done.returncode == 1
    assert "--out runs/x is relative" in done.stdout + done.stderr


def test_a_job_that_fails_ends_with_the_reason(ray_head: str, tmp_path: Path) -> None:
    gone = ["data.shapes=null", f"data.annotations={tmp_path}/gone.json", f"data.images={tmp_path}"]
    sets = [word for change in gone for word in ("--set", change)]
    done = submit(ray_head, *PAGE, "--out", str(tmp_path / "run"), *sets)
    assert done.returncode == 1
    last_lines = done.stdout.splitlines()[-5:]
    assert any("gone.json" in line for line in last_lines), last_lines


def test_a_job_that_is_stopped_continues_when_it_is_submitted_again(
    ray_head: str, small_run: Submitted, tmp_path: Path
) -> None:
    folder = part_of(small_run.folder, tmp_path, ["split"])
    late = ["teacher.training.early=[8]", "teacher.training.save_every=8"]  # no checkpoint is due
    sets = [word for change in [*SMALL, *late] for word in ("--set", change)]
    page = [*PAGE, "--until", "teacher", "--out", str(folder), *sets]
    first = threading.Thread(target=submit, args=(ray_head, *page), kwargs={"name": "stopped"})
    first.start()
    wait_until((folder / "teacher/metrics.jsonl").exists)  # the first step is under way
    with held_in_a_step():
        ray_job(ray_head, "stop", "stopped", "--no-wait")
        wait_until(lambda: "Stop requested" in ray_job(ray_head, "logs", "stopped"))
    first.join()
    (checkpoint,) = (folder / "teacher" / RUN).glob("checkpoint_*/state.pt")
    step = torch.load(checkpoint, weights_only=True)["step"]
    assert 1 <= step < 8
    assert "The same command continues from here." in ray_job(ray_head, "logs", "stopped")
    assert not (folder / "teacher/manifest.json").exists()

    again = submit(ray_head, *page)
    assert again.returncode == 0, again.stdout
    steps = [line["step"] for line in read_metrics(UPath(folder / "teacher")) if "loss" in line]
    assert steps == sorted({1, step, 8})
    weights = load_file(folder / "teacher/model/model.safetensors")
    for key, values in load_file(small_run.folder / "teacher/model/model.safetensors").items():
        np.testing.assert_allclose(weights[key], values, atol=1e-6)


def test_a_head_with_a_token_refuses_those_who_have_none(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "RAY_AUTH_MODE": "token"}
    subprocess.run([RAY, "get-auth-token", "--generate"], env=os.environ | home, check=True)
    page = [*PAGE, "--until", "split", "--out", str(tmp_path / "run")]
    few = ["--set", "data.shapes={num_images: 12, num_validation_images: 4, size: 64}"]
    with running_head(tmp_path / "log", **home) as head:
        refused = submit(head, *page, *few)
        allowed = submit(head, *page, *few, **home)
    assert refused.returncode == 1
    assert "RAY_AUTH_MODE" in refused.stderr and "token" in refused.stderr
    assert allowed.returncode == 0, allowed.stdout + allowed.stderr
    assert (tmp_path / "run/split/manifest.json").exists()


def ray_job(head: str, verb: str, name: str, *options: str) -> str:
    """What `ray job stop` and `ray job logs` say."""
    return subprocess.run(
        [RAY, "job", verb, "--address", head, *options, name],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    ).stdout
