"""Words and sizes: docstrings that say what something does, one word for one thing, short files."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted(
    path
    for folder in ("ray_wssis", "serve/wssis_serve", "jobs", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
)
PRODUCT = sorted(
    path
    for folder in ("ray_wssis", "serve", "jobs")
    for path in (ROOT / folder).rglob("*")
    if path.is_file() and path.suffix != ".pyc"
)
OPENINGS = {  # a docstring begins with a verb or a noun, not with one of these
    *("Of", "Where", "What", "Those", "Whether", "As", "In", "To", "Which", "Who"),
    *("How", "When", "Why", "With", "For", "From", "That"),
}
BANNED = {"alarm", "alarms", "desk", "door", "doors", "drill", "mend", "mends", "think", "thinks"}
BANNED_NAMES = {"notices", "together"}  # of classes and modules
OLD_NAMES = {"ray_wssis/renamed_keys.py": {"max_validation_pictures"}}  # still read
MOST_LINES = 350  # of a file
MOST_BODY = 60  # lines of a function without its docstring

Function = ast.FunctionDef | ast.AsyncFunctionDef
each_module = pytest.mark.parametrize(
    "path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix()
)


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def docstrings(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | Function):
            yield ast.get_docstring(node) or ""


def defined(tree: ast.Module) -> Iterator[str]:
    """Yield every name that a module defines: classes, functions, arguments, variables, fields."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name
            case ast.arg():
                yield node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr
            case ast.keyword(arg=str(name)):
                yield name


def words(name: str) -> set[str]:
    """Return the words of an identifier, lower case."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


@pytest.mark.parametrize(
    "name, expected",
    [
        ("DoorReplica", {"door", "replica"}),
        ("num_alarms", {"num", "alarms"}),
        ("HTTPDoor", {"http", "door"}),
        ("indoors", {"indoors"}),
    ],
)
def test_the_words_of_a_name(name: str, expected: set[str]) -> None:
    assert words(name) == expected


@each_module
def test_a_docstring_begins_with_a_verb_or_a_noun(path: Path) -> None:
    texts = docstrings(parsed(path))
    assert not [text for text in texts if re.split(r"\W", text, maxsplit=1)[0] in OPENINGS]


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_an_image_is_called_an_image(path: Path) -> None:
    found = re.findall(r"\w*picture\w*", path.read_text(encoding="utf-8"), re.IGNORECASE)
    assert set(found) <= OLD_NAMES.get(path.relative_to(ROOT).as_posix(), set())


@each_module
def test_no_name_has_a_word_that_was_replaced(path: Path) -> None:
    tree = parsed(path)
    classes = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    assert not [name for name in [path.stem, *classes] if (BANNED | BANNED_NAMES) & words(name)]
    assert not [name for name in defined(tree) if BANNED & words(name)]


@each_module
def test_files_and_functions_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES
    functions = [node for node in ast.walk(parsed(path)) if isinstance(node, Function)]
    assert not [node.name for node in functions if body_lines(node) > MOST_BODY]


def body_lines(node: Function) -> int:
    """Count the lines of a function from its first statement, the docstring aside, to its last."""
    statements = node.body[1:] if ast.get_docstring(node) else node.body
    if not statements:
        return 0
    last = statements[-1]
    return (last.end_lineno or last.lineno) - statements[0].lineno + 1
