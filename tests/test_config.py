from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError, model_validator
from upath import UPath

import ray_wssis.config
from ray_wssis.config import Config, ConfigError, find_config, load_config, shipped_configs, to_yaml


class Training(Config):
    steps: int = 400
    learning_rate: float = 0.01
    warm_up: Annotated[int, Field(ge=0)] = 10

    @model_validator(mode="after")
    def warm_up_fits(self) -> "Training":
        if self.warm_up > self.steps:
            raise ValueError(f"warm_up is {self.warm_up}, longer than steps, {self.steps}")
        return self


class Teacher(Config):
    training: Training = Training()
    backbone: Literal["resnet18", "resnet50"] = "resnet18"


class Run(Config):
    teacher: Teacher = Teacher()
    student: Teacher | None = None
    sizes: tuple[int, ...] = (128,)
    stages: dict[str, Training] = Field(default_factory=dict)
    annotations: str


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text("annotations: a.json\nteacher:\n  training:\n    steps: 30\n")
    return path


def problems(file: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as error:
        load_config(Run, file, overrides)
    return str(error.value)


def test_values_come_from_the_file_and_the_rest_from_the_defaults(file: Path) -> None:
    config = load_config(Run, file)
    assert config.teacher.training == Training(steps=30)
    assert config.annotations == "a.json"
    assert config.sizes == (128,)


def test_without_a_file_there_are_defaults_and_what_is_set() -> None:
    assert load_config(Training, None, ["steps=70"]) == Training(steps=70)
    with pytest.raises(ConfigError, match="the default with --set step=7 has 1 problem"):
        load_config(Training, None, ["step=7"])


def test_a_configuration_is_read_from_any_uri() -> None:
    UPath("memory://configs/a.yaml").write_text("annotations: b.json")
    assert load_config(Run, "memory://configs/a.yaml").annotations == "b.json"


def test_overrides_are_yaml_values_and_the_last_one_wins(file: Path) -> None:
    config = load_config(
        Run,
        file,
        [
            "teacher.training.steps=50",
            "teacher.training.learning_rate=1e-3",
            "teacher.training.steps=60",
            "sizes=[64, 96]",
            "student={backbone: resnet50}",
            "student.training.warm_up=0",
            "stages.first.steps=70",
            "annotations=s3://bucket/key=value.json",
        ],
    )
    assert config.teacher.training == Training(steps=60, learning_rate=0.001)
    assert config.sizes == (64, 96)
    assert config.student == Teacher(backbone="resnet50", training=Training(warm_up=0))
    assert config.stages == {"first": Training(steps=70)}
    assert config.annotations == "s3://bucket/key=value.json"
    assert load_config(Run, file, ["student.backbone=resnet50", "student=null"]).student is None


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "1.e-3", ".1e-2", "+1e-03", "0.001"])
def test_numbers_in_scientific_notation_are_numbers(file: Path, text: str) -> None:
    class Loose(Config):
        x: object

    file.write_text(f"x: {text}")
    assert load_config(Loose, file).x == 0.001


def test_an_override_changes_one_place_of_a_value_that_the_file_shares(file: Path) -> None:
    file.write_text("annotations: a.json\nteacher: &both {training: {steps: 30}}\nstudent: *both\n")
    config = load_config(Run, file, ["teacher.training.steps=50"])
    assert config.student is not None
    assert (config.teacher.training.steps, config.student.training.steps) == (50, 30)


def shorter(run: Run) -> Run:
    training = run.teacher.training.model_copy(update={"steps": run.teacher.training.steps // 2})
    return run.model_copy(update={"teacher": run.teacher.model_copy(update={"training": training})})


def test_a_preset_changes_the_file_and_overrides_come_after_it(file: Path) -> None:
    assert load_config(Run, file, preset=shorter).teacher.training.steps == 15
    config = load_config(Run, file, ["teacher.training.steps=40"], shorter)
    assert config.teacher.training.steps == 40


def test_what_a_preset_makes_is_checked(file: Path) -> None:
    file.write_text("annotations: a.json\nteacher: {training: {steps: 10}}")
    with pytest.raises(ConfigError, match="warm_up is 10, longer than steps, 5"):
        load_config(Run, file, preset=shorter)


def test_an_unknown_key_names_the_nearest_one_at_depth(file: Path) -> None:
    file.write_text("annotations: a.json\nteacher: {trainig: {steps: 30}}")
    assert "teacher.trainig: unknown key, did you mean teacher.training?" in problems(file)
    assert "anotations: unknown key, did you mean annotations?" in problems(file, "anotations=1")
    found = problems(file, "student.training.step=1")
    assert "student.training.step: unknown key, did you mean student.training.steps?" in found


def test_a_known_key_in_the_wrong_place_is_told_where_it_belongs(file: Path) -> None:
    found = problems(file, "warm_up=1")
    assert "warm_up: unknown key, did you mean teacher.training.warm_up or student." in found


def test_an_unknown_key_like_no_other_lists_the_known_ones(file: Path) -> None:
    found = problems(file, "teacher.xyzzy=1")
    assert "teacher.xyzzy: unknown key; known here: training, backbone" in found


def test_everything_wrong_is_said_at_once(file: Path) -> None:
    file.write_text(
        "teacher: {training: {steps: many, warm_up: -1}, backbone: vgg}\nstudent: {training: 3}\n"
        "stages: {a: {steps: 5}}"
    )
    found = problems(file)
    assert f"{file} has 6 problems:" in found
    assert "teacher.training.steps: got 'many'. Input should be a valid integer" in found
    assert "teacher.training.warm_up: got -1. Input should be greater than or equal to 0" in found
    assert "teacher.backbone: got 'vgg'. Input should be 'resnet18' or 'resnet50'" in found
    assert "student.training: got 3. Input should be a valid dictionary" in found
    assert "stages.a: warm_up is 10, longer than steps, 5" in found
    assert "annotations: is missing" in found


def test_infinity_and_nan_are_refused(file: Path) -> None:
    assert "finite number" in problems(file, "teacher.training.learning_rate=.nan")


def test_errors_of_an_override_say_that_there_were_overrides(file: Path) -> None:
    assert "with --set teacher.backbone=vgg has 1 problem:" in problems(
        file, "teacher.backbone=vgg"
    )


@pytest.mark.parametrize("override", ["steps", "=3", "a..b=3", ".a=1"])
def test_an_override_without_key_or_value_is_refused(file: Path, override: str) -> None:
    assert problems(file, override) == f"--set {override}: wanted a.b=c"


def test_an_override_below_a_plain_value_is_refused(file: Path) -> None:
    found = problems(file, "teacher.training.steps.more=3")
    assert "teacher.training.steps is 30, so it has no key more" in found
    assert "sizes is a list" in problems(file, "sizes=[1]", "sizes.0=3")


def test_an_override_that_is_not_yaml_is_refused(file: Path) -> None:
    assert "--set sizes=[1, line 1" in problems(file, "sizes=[1")


def test_a_key_that_stands_twice_is_refused(file: Path) -> None:
    file.write_text("teacher:\n  training: {}\n  training: {}\n")
    assert f"{file}, line 3, column 3: the key training is here twice" in problems(file)


def test_a_file_that_is_not_yaml_names_the_line(file: Path) -> None:
    file.write_text("a: 1\nb: [1, 2\nc: 3\n")
    assert f"{file}, line 3" in problems(file)
    file.write_bytes(b"a: \x00")
    assert "is not YAML" in problems(file)
    file.write_bytes(b"a: \xff")
    assert "cannot be read" in problems(file)


@pytest.mark.parametrize(("text", "kind"), [("- 1\n- 2", "a list"), ("just text", "'just text'")])
def test_a_file_that_is_not_a_mapping_is_refused(file: Path, text: str, kind: str) -> None:
    file.write_text(text)
    assert problems(file).endswith(f"it holds {kind}")


def test_an_empty_file_is_all_defaults(file: Path) -> None:
    file.write_text("# nothing\n")
    assert "annotations: is missing" in problems(file)


def test_a_missing_file_names_the_nearest_configuration_that_comes_with_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = {"shapes": tmp_path / "shapes.yaml", "nuclei": tmp_path / "nuclei.yaml"}
    monkeypatch.setattr(ray_wssis.config, "shipped_configs", lambda: shipped)
    with pytest.raises(ConfigError, match=r"no configuration shape.yaml: did you mean shapes\?"):
        find_config("shape.yaml")
    assert str(find_config("shapes")) == str(tmp_path / "shapes.yaml")


def test_the_configurations_that_come_with_the_package_are_found_by_name() -> None:
    assert all(file.stem == name for name, file in shipped_configs().items())


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    config = Run(annotations="ä: b", teacher=Teacher(training=Training(learning_rate=1e-5)))
    (tmp_path / "resolved.yaml").write_text(to_yaml(config))
    assert load_config(Run, tmp_path / "resolved.yaml") == config


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Training().steps = 3
