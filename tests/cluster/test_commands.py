"""Commands, options and files that `cluster/` and its page name exist."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from ray.scripts.scripts import cli as ray_cli

from ray_wssis.cli.app import app
from ray_wssis.config import shipped_configs

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/cluster.md"
FILES = [*sorted((ROOT / "cluster").iterdir()), PAGE]
PROGRAMS: dict[str, Any] = {"ray": ray_cli, "wssis": typer.main.get_command(app)}
FOLDERS = "cluster|configs|docs|jobs|serve"

each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)


def commands(text: str) -> list[list[str]]:
    """Return the `ray` and `wssis` commands in shell lines, up to the end of each."""
    text = text.replace("\\\n", " ")
    pattern = r"(?:^[ #-]*|[`;] ?|&& |-- )((?:ray|wssis) [a-z][^\n;`|&#]*)"
    found = re.findall(pattern, text, re.MULTILINE)
    return [shlex.split(line.partition(" -- ")[0].replace("'", "")) for line in found]


def unknown(words: list[str]) -> list[str]:
    """Return the subcommands and options that the command lines of Ray and wssis do not know."""
    program, *rest = words
    command = PROGRAMS[program]
    while hasattr(command, "commands"):
        if not rest or rest[0] not in command.commands:
            return rest[:1] or [program]
        command, rest = command.commands[rest[0]], rest[1:]
    known = {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
    return [word for word in rest if word.startswith("--") and word.partition("=")[0] not in known]


@pytest.mark.parametrize(
    "line, wrong",
    [
        ("ray job submit --adress x", ["--adress"]),
        ("ray jobs", ["jobs"]),
        ("wssis labell --out x", ["labell"]),
        ("wssis label --out x", []),
        ("ray start --head --port=6379", []),
    ],
)
def test_what_is_misspelled_is_seen(line: str, wrong: list[str]) -> None:
    assert unknown(line.split()) == wrong


def test_the_page_and_the_start_of_nodes_have_commands() -> None:
    starts = [words[:2] for words in commands((ROOT / "cluster/ray-up.yaml").read_text())]
    assert {"job", "up", "down", "dashboard"} <= {words[1] for words in commands(PAGE.read_text())}
    assert starts.count(["ray", "start"]) == 2


@each_file
def test_commands_exist_and_take_these_options(file: Path) -> None:
    for words in commands(file.read_text()):
        assert not unknown(words), words


@each_file
def test_files_exist(file: Path) -> None:
    text = re.sub(r"https?://\S+", "", file.read_text())
    for name in re.findall(rf"\b((?:{FOLDERS})/[\w./-]+\.\w+)", text):
        assert (ROOT / name).is_file(), name


@each_file
def test_configurations_exist(file: Path) -> None:
    assert set(re.findall(r"--config (\w+)", file.read_text())) <= set(shipped_configs())
