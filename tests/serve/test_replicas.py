import asyncio
from pathlib import Path
from typing import Any

import pytest
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
