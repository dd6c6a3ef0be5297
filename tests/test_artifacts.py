import json
import logging
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from upath import UPath

from ray_wssis.artifacts import (
    Artifact,
    StaleArtifact,
    Workspace,
    code_version,
    open_stage,
    plain,
    read_artifact,
)
from ray_wssis.config import Config
from ray_wssis.storage import hash_file

MADE_FROM = {"training": {"steps": 400}, "names": ["disc", "ring"]}


@pytest.fixture(params=["local", "file", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> UPath:
    """A folder that does not exist yet, on several file systems."""
    folders = {
        "local": UPath(tmp_path / "run/teacher"),
        "file": UPath(f"file://{tmp_path}/run/teacher"),
        "memory": UPath(f"memory://{uuid4()}/run/teacher"),
    }
    return folders[request.param]


def work(folder: UPath, made_from: dict[str, Any] = MADE_FROM, **options: Any) -> Workspace:
    stage = open_stage(folder, made_from, **options)
    assert isinstance(stage, Workspace)
    return stage


def make(folder: UPath, made_from: dict[str, Any] = MADE_FROM, **options: Any) -> Artifact:
    stage = work(folder, made_from, **options)
    (stage / "model").mkdir(exist_ok=True)
    (stage / "model/weights").write_bytes(b"123")
    (stage / "metrics.jsonl").write_text('{"seconds": 0.1}')
    return stage.finish(logs=["metrics.jsonl"])


def test_a_finished_stage_is_skipped(place: UPath) -> None:
    made = make(place, seed=3)
    again = open_stage(place, MADE_FROM, seed=3)
    assert isinstance(again, Artifact)
    assert again == made == read_artifact(place)
    assert (again / "model/weights").read_bytes() == b"123"


def test_the_manifest_says_what_came_out_of_what(place: UPath) -> None:
    manifest = make(place, seed=3).manifest
    assert manifest == json.loads((place / "manifest.json").read_text())
    assert manifest["stage"] == "teacher"
    assert manifest["made_from"] == MADE_FROM
    assert manifest["seed"] == 3
    assert manifest["code_version"] == code_version()
    assert manifest["outputs"].keys() == {"model/weights", "metrics.jsonl"}
    assert manifest["outputs"]["model/weights"] == hash_file(place / "model/weights")
    assert manifest["seconds"] >= 0
    assert manifest["started"].endswith("+00:00")


def test_the_manifest_is_written_last(place: UPath) -> None:
    stage = work(place)
    (stage / "late").write_text("x")
    assert not (place / "manifest.json").exists()
    with pytest.raises(ValueError, match="no finished artifact"):
        read_artifact(place)
    stage.finish()
    assert (place / "manifest.json").exists()


def test_an_unfinished_stage_goes_on_in_place(place: UPath) -> None:
    first = work(place)
    (first / "checkpoint").write_text("step 10")
    second = work(place)
    assert not first.resumed
    assert second.resumed
    assert second.started == first.started
    assert (second / "checkpoint").read_text() == "step 10"


def test_a_stage_that_made_no_progress_begins_again_whatever_it_was_made_from(
    place: UPath,
) -> None:
    (work(place, seed=0) / "log").write_text("no step was made")
    again = work(place, seed=1, progress=["checkpoints/*/state"])
    assert not again.resumed
    assert not (again / "log").exists()


def test_another_configuration_is_refused_with_key_old_and_new_value(place: UPath) -> None:
    make(place)
    with pytest.raises(StaleArtifact) as error:
        open_stage(place, {**MADE_FROM, "training": {"steps": 500}})
    assert str(error.value).endswith(
        "run/teacher was made with training.steps = 400, now 500. "
        "Use another --out, or pass --redo to remake it."
    )


def test_an_unfinished_stage_of_another_configuration_is_refused(place: UPath) -> None:
    stage = work(place, seed=0)
    (stage / "checkpoints/10").mkdir(parents=True)
    (stage / "checkpoints/10/state").write_text("step 10")
    progress = ["checkpoints/*/state"]
    with pytest.raises(StaleArtifact, match="seed = 0, now 1"):
        open_stage(place, MADE_FROM, seed=1, progress=progress)
    assert not work(place, seed=1, progress=progress, redo=True).resumed


def test_of_many_differences_the_first_five_are_named(tmp_path: Path) -> None:
    folder = UPath(tmp_path / "x")
    make(folder, {"gone": 1, "long": "z" * 100, **{f"k{i}": i for i in range(6)}})
    with pytest.raises(StaleArtifact) as error:
        open_stage(folder, {f"k{i}": i + 1 for i in range(6)})
    assert "gone = 1, now (absent); k0 = 0, now 1; k1" in str(error.value)
    assert "and 3 more" in str(error.value)


def test_redo_empties_only_the_folder_of_that_stage(place: UPath) -> None:
    make(place)
    beside = make(place.parent / "student")
    again = work(place, {"steps": 500}, redo=True)
    assert not again.resumed
    assert not (again / "model/weights").exists()
    assert not (again / "manifest.json").exists()
    assert open_stage(place.parent / "student", MADE_FROM) == beside


def test_redo_keeps_what_fits(place: UPath) -> None:
    made = make(place)
    assert open_stage(place, MADE_FROM, redo=True) == made


def test_redo_killed_while_it_empties_the_folder_empties_it_again(
    place: UPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(place)

    def killed(path: UPath) -> None:
        path.unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("ray_wssis.artifacts.remove", killed)
        with pytest.raises(KeyboardInterrupt):
            open_stage(place, {"steps": 500}, redo=True)
    assert (place / "model/weights").exists()
    assert not (work(place) / "model/weights").exists()


def test_redo_removes_a_link_and_not_what_it_points_at(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "picture").write_text("x")
    work(UPath(tmp_path / "stage"))
    (tmp_path / "stage/link").symlink_to(precious)
    work(UPath(tmp_path / "stage"), {"steps": 500}, redo=True)
    assert not (tmp_path / "stage/link").exists()
    assert (precious / "picture").exists()


@pytest.mark.parametrize("garbage", [b"", b'{"stage": "tea', b"[]", b"{}", b"\xff\xfe\x00"])
def test_a_garbled_manifest_counts_as_unfinished(
    place: UPath, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    make(place)
    (place / "manifest.json").write_bytes(garbage)
    with caplog.at_level(logging.WARNING):
        assert work(place).resumed
    assert "counts as unfinished" in caplog.text
    assert (place / "model/weights").exists()


@pytest.mark.parametrize("garbage", [b"", b'{"made_fr', b"null"])
def test_a_garbled_start_note_counts_as_unfinished_and_nothing_unknown_is_used(
    place: UPath, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (work(place) / "checkpoint").write_text("of whom?")
    (place / "started.json").write_bytes(garbage)
    with caplog.at_level(logging.WARNING):
        assert not work(place).resumed
    assert "counts as unfinished" in caplog.text
    assert not (place / "checkpoint").exists()


def test_a_folder_that_is_not_ours_is_refused_rather_than_emptied(place: UPath) -> None:
    place.mkdir(parents=True)
    (place / "thesis.tex").write_text("x")
    for redo in (False, True):
        with pytest.raises(ValueError, match=r"thesis\.tex, which no stage of ray-wssis made"):
            open_stage(place, MADE_FROM, redo=redo)
    assert (place / "thesis.tex").read_text() == "x"


def test_an_empty_folder_is_used(place: UPath) -> None:
    place.mkdir(parents=True)
    assert make(place).digest


def test_a_file_in_the_place_of_the_folder_is_refused(place: UPath) -> None:
    place.parent.mkdir(parents=True)
    place.write_text("x")
    with pytest.raises(ValueError, match="is a file"):
        open_stage(place, MADE_FROM)


def test_an_artifact_that_lost_a_file_is_refused_and_can_be_made_again(place: UPath) -> None:
    made = make(place)
    (made / "model/weights").unlink()
    with pytest.raises(StaleArtifact, match="is finished, but model/weights is gone from it"):
        open_stage(place, MADE_FROM)
    assert isinstance(open_stage(place, MADE_FROM, redo=True), Workspace)


def test_the_digest_follows_outputs_seed_and_made_from_but_not_logs(tmp_path: Path) -> None:
    def digest(name: str, weights: str, log: str = "1 s", steps: int = 1, seed: int = 0) -> str:
        stage = work(UPath(tmp_path / name), {"steps": steps}, seed=seed)
        (stage / "weights").write_text(weights)
        (stage / "logs").mkdir()
        (stage / "logs/train").write_text(log)
        return stage.finish(logs=["logs"]).digest

    same = digest("a", "123")
    assert digest("b", "123", log="2 s") == same
    assert digest("c", "124") != same
    assert digest("d", "123", steps=2) != same
    assert digest("e", "123", seed=1) != same


def test_a_changed_input_file_makes_what_was_made_from_it_stale(tmp_path: Path) -> None:
    data = tmp_path / "instances.json"
    data.write_text("{}")
    split = make(UPath(tmp_path / "split"), {"annotations": hash_file(data)})
    make(UPath(tmp_path / "teacher"), {"split": split})

    data.write_text("{ }")
    with pytest.raises(StaleArtifact, match="annotations = "):
        open_stage(tmp_path / "split", {"annotations": hash_file(data)})
    redone = make(UPath(tmp_path / "split"), {"annotations": hash_file(data)}, redo=True)
    assert redone.digest != split.digest
    with pytest.raises(StaleArtifact, match=f"split = sha256:{split.digest[:12]}, now sha256:"):
        open_stage(tmp_path / "teacher", {"split": redone})


def test_configurations_artifacts_and_paths_stand_in_made_from_as_plain_values() -> None:
    class Training(Config):
        steps: int = 3
        sizes: tuple[int, ...] = (1, 2)

    artifact = Artifact(folder=UPath("x"), manifest={"digest": "ab"})
    found = plain({"training": Training(), "split": artifact, "out": Path("a/b"), "t": (1,)})
    assert found == {
        "training": {"steps": 3, "sizes": [1, 2]},
        "split": "sha256:ab",
        "out": "a/b",
        "t": [1],
    }
    with pytest.raises(TypeError, match="cannot be noted"):
        plain({"x": object()})


def test_the_folder_of_a_stage_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stage = open_stage("runs/teacher", MADE_FROM)
    assert str(stage.folder) == str(tmp_path / "runs/teacher")
