from pathlib import Path

import pytest

from ray_wssis.data.images.shared import END, content_keys, warn_of_shared_images
from ray_wssis.data.records import Category, Record, Records

CATEGORIES = [Category(id=1, name="disc")]


def records(*files: Path | str) -> Records:
    return Records.from_rows(
        (Record(image_id=i, file=str(file), width=4, height=3) for i, file in enumerate(files)),
        CATEGORIES,
    )


def write(folder: Path, **contents: bytes) -> list[Path]:
    files = [folder / f"{name}.png" for name in contents]
    for file, content in zip(files, contents.values(), strict=True):
        file.write_bytes(content)
    return files


def test_images_of_two_parts_are_named_by_their_content(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    a, copy_of_a, b, c = write(tmp_path, a=b"aaa", copy_of_a=b"aaa", b=b"bbb", c=b"cccc")
    warn_of_shared_images(
        {"strong": records(a), "weak": records(b, copy_of_a), "validation": records(c, b)}
    )
    assert [record.message for record in caplog.records] == [
        f"1 of 2 weak images are strong images too, for instance {copy_of_a} and {a}: they are "
        "learnt twice",
        f"1 of 2 validation images are weak images too, for instance {b}: figures will be better "
        "than the networks are",
    ]


def test_images_that_differ_are_not_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    a, b = write(tmp_path, a=b"aaa", b=b"bbb")
    missing = tmp_path / "missing.png"
    warn_of_shared_images({"strong": records(a, missing), "weak": records(b)})
    assert not caplog.records


def test_images_elsewhere_are_the_same_if_their_names_are(caplog: pytest.LogCaptureFixture) -> None:
    warn_of_shared_images({"strong": records("s3://x/a.png"), "weak": records("s3://x/a.png")})
    assert "1 of 1 weak images are strong images too" in caplog.text


def test_long_files_are_told_apart_by_their_ends(tmp_path: Path) -> None:
    middle = bytes(3 * END)
    files = write(tmp_path, a=b"1" + middle + b"1", b=b"1" + middle + b"2", c=b"1" + middle + b"1")
    keys = content_keys([str(file) for file in files])
    a, b, c = (keys[str(file)] for file in files)
    assert a == c != b
