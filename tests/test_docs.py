"""The pages are true: the site builds, and everything that they link to, name and show exists.

README.md and all of docs/ are read as Markdown; their commands are parsed by the command line, and
their options are checked against the configurations.  Figures stand in docs/results.md.
"""

import ast
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from markdown_it import MarkdownIt
from wssis_serve.config import ServeConfig

from ray_wssis.cli.app import app
from ray_wssis.cli.planned import names_data
from ray_wssis.config import apply_override, check_config, load_config, shipped_configs
from ray_wssis.recipes.annotate import AnnotateConfig
from ray_wssis.recipes.catalogue import load_recipe

ROOT = Path(__file__).parent.parent
FOLDERS = ("benchmarks", "cluster", "configs", "docs", "jobs", "ray_wssis", "serve", "tests")
PAGES = [ROOT / "README.md", ROOT / "configs/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FILES = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*")]
NUMBER = r"\d+(?:[.,]\d+)*"
QUOTED = [  # a number with a unit that only a result has, or a range of such numbers
    rf"({NUMBER})(?:–({NUMBER}))?(?: %| points)? (?:mask )?(?:AP\d*|mIoU)\b",
    rf"\b(?:AP\d*|mIoU) (?:of |is |was )?({NUMBER})",
    rf"({NUMBER})(?:–({NUMBER}))? minutes\b",
]
GUIDES = [
    "README.md",
    *(
        f"docs/{name}.md"
        for name in (
            "index",
            "user_guide",
            "operator_guide",
            "cluster",
            "serving",
            "labelling_tools",
        )
    ),
]

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@dataclass(frozen=True)
class Page:
    links: list[str]  # of images too
    headings: list[str]
    names: list[str]  # inline code
    blocks: list[tuple[str, str]]  # language and content of fenced blocks


@cache
def read(page: Path) -> Page:
    found = Page([], [], [], [])
    tokens = MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "fence":
            found.blocks.append((token.info.strip(), token.content))
        for part in token.children or []:
            if part.type in ("link_open", "image"):
                found.links.append(str(part.attrGet("href") or part.attrGet("src")))
            elif part.type == "code_inline":
                found.names.append(part.content)
        if before is not None and before.type == "heading_open":
            found.headings.append("".join(part.content for part in token.children or []))
    return found


def anchor(heading: str) -> str:
    """Return the anchor of a heading, by the rule of GitHub; the site uses one that agrees."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the words of each command in the shell blocks of a page."""
    for language, block in read(page).blocks:
        if language == "bash":
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                cuts = [i for i, word in enumerate(words) if word in ("&&", "|", ">")]
                for start, end in pairwise([-1, *cuts, len(words)]):
                    yield words[start + 1 : end]


def starts_wssis(words: list[str]) -> bool:
    """Tell whether the program is ours: alone, after a variable, or in `uv run`, `exec --`."""
    before = words[: words.index("wssis")] if "wssis" in words else ["something else"]
    return not before or before[-1] in ("run", "--") or "=" in before[0]


def command_named(words: list[str]) -> tuple[Any, list[str]]:
    """Return the command of `wssis` that the words begin with, and the words after its name."""
    command: Any = typer.main.get_command(app)
    while words and hasattr(command, "commands"):
        assert words[0] in command.commands, (
            f"there is no `wssis ... {words[0]}`; is `uv sync` due?"
        )
        command, words = command.commands[words[0]], words[1:]
    return command, words


def check_values(name: str, given: dict[str, Any]) -> None:
    """Raise ConfigError for a `--set` that the command would refuse."""
    overrides = given.get("overrides") or []
    if name == "serve":
        values: dict[str, Any] = {"model": "run"}
        for override in overrides:
            apply_override(values, override)
        check_config(ServeConfig, values, name)
    elif name == "annotate":
        load_config(AnnotateConfig, None, overrides)
    elif "overrides" in given:
        config = given.get("name") or given.get(
            "config"
        )  # mine.yaml is what `wssis config dump nuclei` wrote
        if config is None and names_data(overrides):  # the rest is planned
            overrides = ["data.annotations=null", *overrides]
        load_recipe(config if config in shipped_configs() else "nuclei", overrides)


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in read(page).links:
        place, _, heading = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), link
        if heading:
            assert heading in map(anchor, read(target).headings), link


@each_page
def test_commands_are_known(page: Path) -> None:
    for words in commands(page):
        if starts_wssis(words):
            command, rest = command_named(words[words.index("wssis") + 1 :])
            context = command.make_context(command.name, list(rest))
            check_values(command.name, context.params)


@each_page
def test_commands_in_the_text_are_known(page: Path) -> None:
    for name in read(page).names:
        words = name.split()
        if words[:1] == ["wssis"] and words[1:] != ["..."]:
            command, rest = command_named(words[1:])
            known = {option for param in command.params for option in param.opts}
            assert {word for word in rest if word.startswith("-")} <= known, name


@each_page
def test_files_that_are_named_exist(page: Path) -> None:
    shown = [word for words in commands(page) for word in words]
    modules = [after for word, after in pairwise(shown) if word == "-m"]
    shown += [module.replace(".", "/") + ".py" for module in modules if module[0] in "bs"]
    for name in [*read(page).names, *shown]:
        if not re.fullmatch(r"[\w.*-]+(/[\w.*-]+)*/?", name):
            continue
        if name.partition("/")[0] in FOLDERS and "/" in name:
            assert list(ROOT.glob(name.rstrip("/"))), name
        elif name.endswith(".py"):
            assert any(file.match(name) for file in FILES), name


@each_page
def test_blocks_can_be_read(page: Path) -> None:
    readers: dict[str, Callable[[str], object]] = {
        "json": json.loads,
        "yaml": yaml.safe_load,
        "python": ast.parse,
    }
    for language, block in read(page).blocks:
        readers.get(language, str)(block)


def quoted_figures(text: str) -> set[str]:
    """Return the numbers of a text that only a result has."""
    found = [match for pattern in QUOTED for match in re.finditer(pattern, text)]
    return {number for match in found for number in match.groups() if number}


def fractions_in_tables(text: str) -> set[str]:
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return {number for row in rows for number in re.findall(r"\b\d+\.\d+\b", row)}


@pytest.mark.parametrize(
    "text, figures",
    [
        ("reaches 21–23 mask AP, 80 images", {"21", "23"}),
        ("94 % mIoU; mIoU of 66.1, AP50 is 41.8", {"94", "66.1", "41.8"}),
        ("in 7.3 minutes, or 0.5 as a threshold", {"7.3"}),
    ],
)
def test_a_quoted_figure_is_recognised(text: str, figures: set[str]) -> None:
    assert quoted_figures(text) == figures


@pytest.mark.parametrize("name", GUIDES)
def test_every_quoted_figure_is_in_the_results(name: str) -> None:
    page = (ROOT / name).read_text(encoding="utf-8")
    prose = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)", "", page, flags=re.DOTALL)
    quoted = quoted_figures(prose) | (fractions_in_tables(prose) if name == "README.md" else set())
    results = (ROOT / "docs/results.md").read_text(encoding="utf-8")
    assert quoted <= set(re.findall(NUMBER, results))


def test_the_tree_in_the_readme_is_the_one_here() -> None:
    tree = next(block for language, block in read(ROOT / "README.md").blocks if not language)
    for line in tree.splitlines():
        folder = ROOT / "ray_wssis" if line.startswith("  ") else ROOT
        assert (folder / line.split()[0]).exists(), line
    packages = {file.parent.name + "/" for file in (ROOT / "ray_wssis").glob("*/__init__.py")}
    assert packages | {name + "/" for name in FOLDERS} <= {
        line.split()[0] for line in tree.splitlines()
    }


def test_the_drawing_of_the_architecture_names_every_folder() -> None:
    words = set(re.findall(r"\w+", (ROOT / "docs/images/architecture.svg").read_text()))
    packages = {file.parent.name for file in (ROOT / "ray_wssis").glob("*/__init__.py")}
    assert packages | {"run", "serve", "wssis_serve", "jobs", "cluster"} <= words


def test_the_site_builds_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    pages = [page.read_text() for page in tmp_path.rglob("*.html")]
    assert len(pages) >= len(list((ROOT / "docs").rglob("*.md")))
    for page in pages:
        assert not re.findall(r'<(?:script|img|iframe)[^>]*\ssrc="(?:https?:)?//[^"]*"', page)
        assert not re.findall(r'<link[^>]*href="(?:https?:)?//[^"]*"[^>]*rel="stylesheet"', page)
        assert not re.findall(r'<link[^>]*rel="(?:stylesheet|preconnect)"[^>]*href="https?:', page)
        assert 'class="mermaid"' not in page  # would load a script: diagrams are SVG files
