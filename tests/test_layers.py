"""House rules a machine can check: imports point downwards, Ray stays on top."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "ray_wssis"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")

LAYERS = [  # a module imports from its own line and from the lines above
    {"storage", "config", "renamed_keys", "artifacts", "staleness", "masks", "logs"},
    {"data", "models", "metrics"},
    {"session", "live_metrics", "report"},
    {"training", "streaming"},
    {"run_config", "run"},
    {"instance"},
    {"methods"},
    {"recipes"},
    {"doctor"},
    {"cli"},
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
KNOWS_RAY = {"session", "training", "live_metrics", "streaming", "run", "doctor", "cli"}
COLLECTIONS = {"utils", "util", "common", "helpers", "misc", "base", "registry", "hooks"}

each_module = pytest.mark.parametrize(
    "path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix()
)


def parts(path: Path) -> tuple[str, ...]:
    return path.relative_to(PACKAGE).with_suffix("").parts


def imported(path: Path) -> set[str]:
    """Dotted names of all modules that `path` imports, wherever in the file it does."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"line {node.lineno}: a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def ours(path: Path) -> list[tuple[str, ...]]:
    names = (tuple(name.split(".")) for name in imported(path))
    return [name[1:] for name in names if name[0] == "ray_wssis" and len(name) > 1]


@each_module
def test_imports_point_downwards(path: Path) -> None:
    upwards = [".".join(name) for name in ours(path) if RANK[name[0]] > RANK[parts(path)[0]]]
    assert not upwards


@each_module
def test_only_the_top_layers_know_ray(path: Path) -> None:
    knows = any(name.split(".")[0] == "ray" for name in imported(path))
    assert not knows or parts(path)[0] in KNOWS_RAY


@each_module
def test_methods_do_not_know_each_other(path: Path) -> None:
    method = parts(path)[1] if parts(path)[0] == "methods" else None
    others = {name[1] for name in ours(path) if name[0] == "methods" and len(name) > 1}
    assert method is None or others <= {method}


@each_module
def test_a_module_is_named_for_what_it_is_about(path: Path) -> None:
    assert not COLLECTIONS & set(parts(path))


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("__init__.py")), ids=str)
def test_importing_a_package_runs_nothing(path: Path) -> None:
    assert not path.read_text(encoding="utf-8")
