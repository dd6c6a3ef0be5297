import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from wssis_serve.config import ServeConfig
from wssis_serve.coordinator import Coordinator
from wssis_serve.engines.instance import InstanceEngine
from wssis_serve.replicas import Labeller, Student
from wssis_serve.segmented import Question

from tests.serve.conftest import Here
from tests.support.tiny_run import write_run


def started(kind: type, run: Path) -> Any:
    config = ServeConfig(model=str(run))
    replica = kind(config, Here(Coordinator(config)))
    asyncio.run(replica.start())
    return replica


@pytest.fixture(scope="module")
def other_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("other") / "run", seed=1)


def test_an_answer_says_where_its_time_went(run_folder: Path, image: bytes) -> None:
    student = started(Student, run_folder)
    found = asyncio.run(student.segment(image, Question(threshold=0.1)))
    assert list(found.seconds) == ["decode", "wait", "model", "encode"]
    assert all(seconds >= 0 for seconds in found.seconds.values())
    assert found.batch_size == 1


def test_a_replica_changes_its_model_when_told(run_folder: Path, other_run: Path) -> None:
    student = started(Student, run_folder)
    before = student.engine.name.hash
    asyncio.run(student.prepare(str(other_run)))
    assert student.engine.name.hash == before
    asyncio.run(student.switch(str(other_run)))
    assert student.engine.name.hash != before


def test_a_replica_that_was_not_prepared_switches_too(run_folder: Path, other_run: Path) -> None:
    student = started(Student, run_folder)
    before = student.engine.name.hash
    asyncio.run(student.switch(str(other_run)))
    assert student.engine.name.hash != before


def test_what_is_no_model_changes_nothing(run_folder: Path, tmp_path: Path) -> None:
    student = started(Student, run_folder)
    before = student.engine.name.hash
    with pytest.raises(ValueError, match="not a model folder"):
        asyncio.run(student.prepare(str(tmp_path)))
    assert student.engine.name.hash == before


def test_damaged_weights_are_named(other_run: Path, run_folder: Path, tmp_path: Path) -> None:
    broken = write_run(tmp_path / "broken", seed=2)
    (broken / "student/model/model.safetensors").write_bytes(b"nonsense")
    student = started(Student, run_folder)
    with pytest.raises(ValueError, match=r"broken cannot be loaded: .* is damaged"):
        asyncio.run(student.prepare(str(broken)))


def test_a_labeller_needs_a_whole_run(run_folder: Path) -> None:
    labeller = started(Labeller, run_folder)
    with pytest.raises(ValueError, match="no teacher and refiner"):
        asyncio.run(labeller.prepare(str(run_folder / "student")))


def test_images_of_two_models_may_be_in_one_pass(
    run_folder: Path, other_run: Path, image: bytes
) -> None:
    student = started(Student, run_folder)
    old: InstanceEngine = student.engine
    asyncio.run(student.switch(str(other_run)))
    new: InstanceEngine = student.engine
    queries = [(engine, engine.decode(image)) for engine in (old, new, old)]
    first, second, third = asyncio.run(student.infer_batch(queries))
    assert first[0].scores.tolist() == third[0].scores.tolist() != second[0].scores.tolist()
    assert {size for _, _, size in (first, second, third)} == {3}


def damaged(run: Path, part: str, change: Callable[[dict[str, Any]], None]) -> Path:
    """The run after a change to the description of one of its models."""
    file = run / part / "model/config.json"
    values = json.loads(file.read_text())
    change(values)
    file.write_text(json.dumps(values))
    return run


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda values: values["categories"][0].update(id="x"), "has the id 'x'"),
        (lambda values: values["config"]["network"].update(grids=[0] * 5), "cannot be loaded"),
        (lambda values: values["config"].update(shorter=0), "cannot be loaded"),
    ],
)
def test_a_model_that_cannot_answer_is_refused(
    run_folder: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    student = started(Student, run_folder)
    before = student.engine
    broken = damaged(write_run(tmp_path / "broken", seed=2), "student", change)
    with pytest.raises(ValueError, match=reason):
        asyncio.run(student.prepare(str(broken)))
    assert student.engine is before and student.prepared is None


def test_weights_that_are_no_numbers_are_refused(run_folder: Path, tmp_path: Path) -> None:
    broken = write_run(tmp_path / "broken", seed=2)
    file = broken / "teacher/model/model.safetensors"
    weights = load_file(file)
    weights["instance_head.class_out.bias"][0] = float("nan")
    save_file(weights, file)
    labeller = started(Labeller, run_folder)
    with pytest.raises(ValueError, match=r"weights instance_head.class_out.bias hold values that"):
        asyncio.run(labeller.prepare(str(broken)))
