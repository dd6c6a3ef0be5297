"""House rules a machine can check: imports point downwards, Ray stays on top."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {
    "ray_wssis": ROOT / "ray_wssis",
    "wssis_serve": ROOT / "serve/wssis_serve",
    "jobs": ROOT / "jobs",
    "benchmarks": ROOT / "benchmarks",
}
MAY_IMPORT = {  # of our own
    "ray_wssis": {"ray_wssis"},
    "wssis_serve": {"ray_wssis", "wssis_serve"},
    "jobs": {"ray_wssis"},
    "benchmarks": {"ray_wssis", "wssis_serve", "benchmarks", "tests"},
}
LAYERS = {  # a module imports from its own line and from the lines above
    "ray_wssis": [
        {
            "outage",
            "patient_s3",
            "storage",
            "config",
            "renamed_keys",
            "artifacts",
            "staleness",
            "verdict",
            "one_command",
            "heartbeat",
            "masks",
            "logs",
        },
        {"data", "models", "metrics"},
        {"session", "nodes", "live_metrics", "report"},
        {"shared_folder"},
        {"training", "streaming"},
        {"run_config", "run"},
        {"instance", "semantic"},
        {"methods"},
        {"recipes"},
        {"doctor"},
        {"cli"},
    ],
    "wssis_serve": [
        {"errors", "request_id", "config", "segmented", "colours", "figures", "micro_batcher"},
        {"cvat"},
        {"roots", "backend"},
        {"engines"},
        {"http", "label_studio", "x_anylabeling"},
        {"replicas", "bulk", "labelling"},
        {"coordinator", "ingress"},
        {"app"},
        {"one_machine"},
        {"command"},
        {"label_page"},
    ],
}
RANKS = {
    package: {name: rank for rank, layer in enumerate(layers) for name in layer}
    for package, layers in LAYERS.items()
}
KNOWS_RAY = {
    "ray_wssis": {
        *("session", "nodes", "shared_folder", "training", "live_metrics", "streaming"),
        *("run", "doctor", "cli"),
    },
    "wssis_serve": {"bulk", "ingress", "app", "one_machine"},
}
COLLECTIONS = {"utils", "util", "common", "helpers", "misc", "base", "registry", "hooks"}

MODULES = [
    pytest.param(package, path, id=f"{package}/{path.relative_to(folder).as_posix()}")
    for package, folder in FOLDERS.items()
    for path in sorted(folder.rglob("*.py"))
    if path.name != "__init__.py"
]
every_module = pytest.mark.parametrize(("package", "path"), MODULES)
every_layered_module = pytest.mark.parametrize(
    ("package", "path"), [module for module in MODULES if module.values[0] in LAYERS]
)


def parts(package: str, path: Path) -> tuple[str, ...]:
    return path.relative_to(FOLDERS[package]).with_suffix("").parts


def imported(path: Path) -> list[tuple[str, ...]]:
    """Names of all modules that `path` imports, wherever in the file it does."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"line {node.lineno}: a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return [tuple(name.split(".")) for name in sorted(names)]


def of_package(package: str, path: Path) -> list[tuple[str, ...]]:
    """Names within `package` that `path` imports."""
    return [name[1:] for name in imported(path) if name[0] == package and len(name) > 1]


@every_module
def test_packages_do_not_import_one_another_in_a_circle(package: str, path: Path) -> None:
    ours = {name[0] for name in imported(path)} & {*FOLDERS, "tests"}
    assert ours <= MAY_IMPORT[package]


@every_layered_module
def test_imports_point_downwards(package: str, path: Path) -> None:
    ranks = RANKS[package]
    rank = ranks[parts(package, path)[0]]
    assert not [".".join(name) for name in of_package(package, path) if ranks[name[0]] > rank]


@every_layered_module
def test_only_the_top_layers_know_ray(package: str, path: Path) -> None:
    knows = any(name[0] == "ray" for name in imported(path))
    assert not knows or parts(package, path)[0] in KNOWS_RAY[package]


@every_module
def test_methods_do_not_know_each_other(package: str, path: Path) -> None:
    place = parts(package, path)
    method = place[1] if package == "ray_wssis" and place[0] == "methods" else None
    known = of_package("ray_wssis", path)
    others = {name[1] for name in known if name[0] == "methods" and len(name) > 1}
    assert method is None or others <= {method}


@pytest.mark.parametrize("path", sorted(FOLDERS["jobs"].glob("*.py")), ids=lambda path: path.name)
def test_jobs_go_through_the_command_line(path: Path) -> None:
    assert all(name[:2] == ("ray_wssis", "cli") for name in imported(path))


@every_module
def test_a_module_is_named_for_what_it_is_about(package: str, path: Path) -> None:
    assert not COLLECTIONS & set(parts(package, path))


@pytest.mark.parametrize(
    "path",
    sorted(path for folder in FOLDERS.values() for path in folder.rglob("__init__.py")),
    ids=str,
)
def test_importing_a_package_runs_nothing(path: Path) -> None:
    assert not path.read_text(encoding="utf-8")
