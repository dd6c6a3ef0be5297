"""The Dockerfile copies existing files, uses defined arguments, and does not run as root."""

import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / "cluster/Dockerfile"
IGNORE = ROOT / "cluster/Dockerfile.dockerignore"


class Instruction(NamedTuple):
    word: str
    rest: str


def instructions() -> list[Instruction]:
    lines = [line for line in FILE.read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [Instruction(*line.split(maxsplit=1)) for line in joined.splitlines() if line]


def last_stage() -> list[Instruction]:
    given = instructions()
    start = max(i for i, step in enumerate(given) if step.word == "FROM")
    return given[start:]


def arguments() -> dict[str, str]:
    pairs = [step.rest.partition("=") for step in instructions() if step.word == "ARG"]
    return {name: default for name, _, default in pairs}


def project() -> Any:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def copied() -> set[str]:
    """Return what the ignore file lets through; it names the files and folders one by one."""
    everything, *patterns = [line for line in IGNORE.read_text().splitlines() if line[0] != "#"]
    assert everything == "*"
    return {pattern[1:] for pattern in patterns if pattern.startswith("!")}


def test_python_is_one_version_that_the_project_takes() -> None:
    version = arguments()["PYTHON"]
    assert re.fullmatch(r"3\.\d+\.\d+", version)
    least = project()["project"]["requires-python"].removeprefix(">=").split(".")
    assert [int(part) for part in version.split(".")][:2] >= [int(part) for part in least]
    images = [step.rest.split()[0] for step in instructions() if step.word == "FROM"]
    assert images == ["python:${PYTHON}-slim-bookworm"] * 2


def test_every_argument_is_used() -> None:
    used = " ".join(step.rest for step in instructions() if step.word != "ARG")
    for name in arguments():
        assert re.search(rf"\$\{{?{name}\b", used)


def test_what_is_copied_exists() -> None:
    stages = {step.rest.split()[-1] for step in instructions() if " AS " in step.rest}
    for step in instructions():
        if step.word != "COPY":
            continue
        *sources, _ = step.rest.split()
        if sources[0].startswith("--from="):
            assert sources[0].removeprefix("--from=") in stages
        else:
            assert all((ROOT / source).exists() for source in sources)
            assert all(source == "." or source in copied() for source in sources)


def test_the_checkout_comes_with_what_a_wheel_and_the_jobs_need() -> None:
    values = project()
    wheel = values["tool"]["hatch"]["build"]["targets"]["wheel"]
    build = {*wheel["packages"], *wheel["force-include"], values["project"]["readme"]}
    for name in build | {"pyproject.toml", "jobs"}:
        assert any(Path(name).is_relative_to(place) for place in copied()), name
    assert all((ROOT / name).exists() for name in copied())


def test_root_does_not_run() -> None:
    users = [step.rest for step in last_stage() if step.word == "USER"]
    assert users == ["1000:1000"]
    made = [step.rest for step in last_stage() if "useradd" in step.rest]
    assert len(made) == 1 and "--uid 1000" in made[0]


def test_the_checkout_is_where_a_job_starts() -> None:
    assert [step.rest for step in last_stage() if step.word == "WORKDIR"] == ["/app"]


def test_the_extras_exist() -> None:
    runs = " ".join(step.rest for step in instructions() if step.word == "RUN")
    extras = re.findall(r"--extra (\S+)", runs)
    assert extras and set(extras) <= set(project()["project"]["optional-dependencies"])


def test_uv_is_the_same_everywhere() -> None:
    files = [FILE.read_text()]
    for name in ("ray-up", "ray-up-local"):
        files.append(str(yaml.safe_load((ROOT / f"cluster/{name}.yaml").read_text())))
    assert len({version for text in files for version in re.findall(r"uv==([\d.]+)", text)}) == 1
