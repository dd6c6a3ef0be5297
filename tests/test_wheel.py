"""The wheel: what `uv build` puts into it, and that it works from there."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
UV = shutil.which("uv")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an unpacked wheel."""
    if UV is None:
        pytest.skip("uv, which builds the wheel, is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([UV, "build", "--wheel", "--quiet", "--out-dir", folder], check=True, cwd=ROOT)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def test_two_packages_are_installed(unpacked: Path) -> None:
    folders = {place.name for place in unpacked.iterdir() if place.suffix != ".dist-info"}
    assert folders == {"ray_wssis", "wssis_serve"}


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("ray_wssis", "ray_wssis"),
        ("serve/wssis_serve", "wssis_serve"),
        ("configs", "ray_wssis/configs"),
    ],
)
def test_every_file_of_a_package_is_in_it(unpacked: Path, source: str, target: str) -> None:
    files = [file for file in (ROOT / source).rglob("*") if file.is_file()]
    names = {file.relative_to(ROOT / source) for file in files if file.suffix != ".pyc"}
    assert names
    assert not {name for name in names if not (unpacked / target / name).is_file()}


def test_the_endpoint_finds_its_page_and_its_command(unpacked: Path, tmp_path: Path) -> None:
    code = """
import wssis_serve.http.page, wssis_serve.http.openapi
print(*sorted(file.name for file in wssis_serve.http.page.PAGE.iterdir()))
print(wssis_serve.http.openapi.FILE.is_file())
from ray_wssis.cli.app import app
print("serve" in {command.name for command in app.registered_commands})
"""
    page, openapi, serve = printed(code, unpacked, tmp_path).splitlines()
    assert {"index.html", "page.css", "page.js"} <= set(page.split())
    assert (openapi, serve) == ("True", "True")


def test_without_the_endpoint_its_command_is_absent(unpacked: Path, tmp_path: Path) -> None:
    """A Ray job may run a copy of the working directory, where nothing is installed."""
    code = """
from importlib import metadata
known = metadata.entry_points
metadata.entry_points = lambda group: known(group=f"not {group}")
from ray_wssis.cli.app import app
print({command.name for command in app.registered_commands})
"""
    names = printed(code, unpacked, tmp_path)
    assert "annotate" in names and "serve" not in names


def printed(code: str, packages: Path, folder: Path) -> str:
    """The output of a program that runs in `folder`, with the packages of the wheel."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(packages)},
    )
    return done.stdout
