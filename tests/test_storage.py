import errno
import hashlib
import os
from pathlib import Path

import pytest
from upath import UPath

from ray_wssis.storage import files_under, hash_file, locate, names_in, write_atomically


def test_a_local_place_is_absolute_however_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = str(tmp_path / "a/b")
    assert str(locate("a/b")) == str(locate(f"file://{tmp_path}/a/b")) == wanted
    assert str(locate("~/x")) == str(Path.home() / "x")
    assert str(locate("memory://bucket/x")).startswith("memory://")


def test_a_file_larger_than_a_block_is_hashed_whole(tmp_path: Path) -> None:
    data = os.urandom(1024) * 2500
    (tmp_path / "big").write_bytes(data)
    assert hash_file(tmp_path / "big") == hashlib.sha256(data).hexdigest()


def test_when_the_disk_is_full_the_old_file_stays_and_no_draft_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = UPath(tmp_path / "manifest.json")
    write_atomically(file, b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(file, b"new")
    assert file.read_bytes() == b"old"
    assert names_in(UPath(tmp_path)) == ["manifest.json"]


def test_files_are_listed_with_their_folders(tmp_path: Path) -> None:
    (tmp_path / "b/c").mkdir(parents=True)
    (tmp_path / "b/c/x").write_text("")
    (tmp_path / "a").write_text("")
    assert files_under(UPath(tmp_path)) == ["a", "b/c/x"]
    assert names_in(UPath(tmp_path)) == ["a", "b"]
    assert names_in(UPath(tmp_path / "nowhere")) == []
