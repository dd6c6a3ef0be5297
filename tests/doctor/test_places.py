from pathlib import Path

from upath import UPath

from ray_wssis.doctor.finding import State
from ray_wssis.doctor.places import (
    GIB,
    advice,
    check_clock_of_storage,
    check_folder,
    check_space,
)


def states(folder: UPath) -> list[tuple[str, State]]:
    return [(each.about, each.state) for each in check_folder(folder)]


def test_a_folder_that_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    found = states(UPath(tmp_path / "runs"))
    assert found[:2] == [("--out", State.OK), ("clock of --out", State.OK)]
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_folder_below_a_file_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (found,) = check_folder(UPath(tmp_path / "file/runs"))
    assert found.state is State.PROBLEM
    assert found.found.startswith(f"{tmp_path}/file/runs cannot be used: ")


def test_a_folder_that_nobody_may_write_cannot_be_used() -> None:
    ((about, state),) = states(UPath("/proc/runs"))
    assert (about, state) == ("--out", State.PROBLEM)


def test_a_uri_can_be_used() -> None:
    assert states(UPath("memory://runs")) == [
        ("--out", State.OK),
        ("clock of --out", State.OK),
    ]


def test_a_uri_that_nobody_knows_cannot(tmp_path: Path) -> None:
    ((_, state),) = states(UPath("http://127.0.0.1:1/runs"))
    assert state is State.PROBLEM


def test_what_to_do_depends_on_what_is_wrong() -> None:
    def to_do(uri: str, error: Exception) -> str:
        return advice(UPath(uri), error)

    assert to_do("/runs", PermissionError()).startswith("Make it writable for this user")
    assert to_do("memory://runs", PermissionError()).startswith("Give this process, and those on")
    missing = ImportError("Install s3fs to access S3")
    assert to_do("s3://bucket/runs", missing) == "Install it: pip install 'ray-wssis[s3]'."
    assert to_do("gs://bucket/runs", missing) == "Install it: pip install 'ray-wssis[gcs]'."


def test_clocks_and_space() -> None:
    assert check_clock_of_storage(1000.0, 1001.0).state is State.OK
    assert check_clock_of_storage(1000.0, None).found == "unknown"
    assert check_clock_of_storage(1000.0, 2000.0).found == "differs by 1000 s from this machine's"
    assert check_space(11 * GIB).state is State.OK
    assert check_space(GIB).state is State.WARNING
