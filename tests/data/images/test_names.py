"""Tests of ray_wssis.data.images.names."""

import json
import unicodedata
from pathlib import Path

import pytest
from PIL import Image
from upath import UPath

from ray_wssis.data.check.coco import check_file
from ray_wssis.data.coco.read import read_coco
from ray_wssis.data.images.names import Names, locate_exports, locate_images, same_image

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "Zellkern_ü.png") for form in ("NFC", "NFD"))


def folder(root: Path, *names: str) -> str:
    for name in names:
        (root / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "images" / name).touch()
    return str(root / "images")


def files(found: Names) -> dict[str, str]:
    return {name: each.file for name, each in found.found.items()}


ONE_FILE = [
    ("sub\\a.png", "sub/a.png"),
    (".\\sub\\a.png", "sub/a.png"),
    ("images\\sub\\a.png", "sub/a.png"),
    ("C:\\data\\images\\sub\\a.png", "sub/a.png"),
    ("D:/x/a.png", "sub/a.png"),
    ("\\\\server\\share\\a.png", "sub/a.png"),
    ("/home/anna/images/a.png", "sub/a.png"),
    ("file:///home/anna/a.png", "sub/a.png"),
    ("https://host/bucket/sub/a.png?token=1", "sub/a.png"),
    ("/data/local-files/?d=images%5Csub%5Ca.png", "sub/a.png"),
    ("images/sub/a.png", "sub/a.png"),
    ("a.png", "sub/a.png"),
    ("sub/A.PNG", "sub/a.png"),
    ("Sub/a.png", "sub/a.png"),
    ("sub/a", "sub/a.png"),
    ("cell%20001.png", "cell 001.png"),
    ("cell%2520001.png", "cell 001.png"),
    (" cell 001.png ", "cell 001.png"),
    ("upload/3/1f2e3d4c-cell_001.png", "cell 001.png"),
    ("20240101-cell_001.png", None),  # a date is no prefix
    ("b.jpeg", "b.jpg"),
    ("b.JPG", "b.jpg"),
    ("b.png", None),  # of another format: perhaps a mask
    ("c.png", "c"),
    ("other/b.jpg", "b.jpg"),
    ("other/a.png", None),  # in another folder than it says
    ("cat.png", "00c0ffee-cat.png"),
    ("11111111-cat.png", None),
]


@pytest.mark.parametrize(("name", "file"), ONE_FILE)
def test_the_one_file_that_a_name_means(tmp_path: Path, name: str, file: str | None) -> None:
    images = folder(tmp_path, "sub/a.png", "cell 001.png", "b.jpg", "c", "00c0ffee-cat.png")
    found = locate_images(images, [name])
    assert found.file(name) == (file or name)
    assert (name in found.lost) == (file is None)


@pytest.mark.parametrize(("name", "file"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
def test_letters_in_two_unicode_forms_are_the_same(tmp_path: Path, name: str, file: str) -> None:
    assert files(locate_images(folder(tmp_path, file), [name])) == {name: file}


@pytest.mark.parametrize("name", ["a\\b.png", "a%20b.png", "a.png.", "%41.png", "-a.png"])
def test_a_name_that_is_that_of_a_file_stands(tmp_path: Path, name: str) -> None:
    found = locate_images(folder(tmp_path, name, "b.png", "a b.png", "A.png"), [name])
    assert not found.found and not found.lost


@pytest.mark.parametrize(
    ("name", "candidates"),
    [
        ("A.PNG", ("A.png", "a.png")),
        ("b", ("b.jpg", "b.png")),
        ("/x/c.png", ("one/c.png", "two/c.png")),
        ("c.png", ("one/c.png", "two/c.png")),
    ],
)
def test_a_name_that_could_mean_two_files_is_lost(
    tmp_path: Path, name: str, candidates: tuple[str, str]
) -> None:
    images = folder(tmp_path, "A.png", "a.png", "b.jpg", "b.png", "one/c.png", "two/c.png")
    found = locate_images(images, [name])
    assert found.lost[name].found == f"it could be {candidates[0]!r} or {candidates[1]!r}"
    assert f"the first is '{name}' (it could be" in found.complaint()


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("/x/one/c.png", "one/c.png"),
        ("x\\two\\c.png", "two/c.png"),
        ("x\\three\\c.png", "c.png"),
        ("C.png", "c.png"),
    ],
)
def test_as_many_folders_as_possible_agree(tmp_path: Path, name: str, file: str) -> None:
    images = folder(tmp_path, "one/c.png", "two/c.png", "c.png")
    assert locate_images(images, [name]).file(name) == file


@pytest.mark.parametrize(
    "names",
    [
        ["1.png", "2.png"],  # 2.png is missing among the images
        ["/home/anna/images/1.png", "/home/anna/images/2.png"],
        ["D:\\x\\images\\1.png", "D:\\x\\images\\2.png"],
    ],
)
@pytest.mark.parametrize("masks", ["masks", "images/masks", "a/masks"])
def test_the_mask_of_a_missing_image_is_not_taken_for_it(
    tmp_path: Path, names: list[str], masks: str
) -> None:
    top = "" if names[0] == "1.png" else "images/"
    images = folder(tmp_path, f"{top}1.png", f"{masks}/1.png", f"{masks}/2.png")
    found = locate_images(images, names)
    assert found.file(names[0]) in ("1.png", "images/1.png")
    assert set(found.lost) == {names[1]}
    assert "folder with the names of others" in found.lost[names[1]].found


def test_images_in_several_folders_are_found_by_their_names_alone(tmp_path: Path) -> None:
    images = folder(tmp_path, "a/1.png", "a/2.png", "b/3.png", "4.png")
    found = locate_images(images, ["1.png", "2.png", "3.png", "4.png"])
    assert [*files(found).values()] == ["a/1.png", "a/2.png", "b/3.png"]


def test_one_name_in_many_folders_takes_no_longer(tmp_path: Path) -> None:
    images = folder(tmp_path, *(f"{number}/image.png" for number in range(300)))
    names = [f"x\\{number}\\image.png" for number in range(300)]
    assert [*files(locate_images(images, names)).values()] == [
        f"{number}/image.png" for number in range(300)
    ]


def test_two_names_never_mean_one_file(tmp_path: Path) -> None:
    images = folder(tmp_path, "a.png", "b.png")
    found = locate_images(images, ["train/a.png", "val/a.png", "b.png", "x/b.png"])
    assert not found.found
    assert set(found.lost) == {"train/a.png", "val/a.png", "x/b.png"}
    assert files(locate_exports(images, ["train/a.png", "val/a.png"])) == {
        "train/a.png": "a.png",
        "val/a.png": "a.png",
    }


def test_what_is_read_as_something_else_is_said_once(tmp_path: Path) -> None:
    images = folder(tmp_path, "a.png", "b.png", "cell_01.png")
    found = locate_images(images, ["x\\a.png", "b.png", "B", "cell_10.png"])
    assert found.summary() == (
        f"1 of 4 image names are read as files under {images} that differ in spelling "
        "(backslashes, %20, Unicode form): 'x\\\\a.png' is 'a.png'"
    )
    assert found.complaint() == (
        f"2 of 4 images are not under {images}, the first is 'cell_10.png' (there is no such "
        "file); the nearest is 'cell_01.png'"
    )


def test_many_names_are_looked_up_in_the_list_of_their_folder(tmp_path: Path) -> None:
    names = [f"{number:03}.png" for number in range(200)]
    images = folder(tmp_path, *names)
    assert not locate_images(images, names).found
    backwards = [f"x\\{name}" for name in names]
    assert files(locate_images(images, backwards)) == dict(zip(backwards, names, strict=True))
    assert set(locate_images(images, [*names, "none.png"]).lost) == {"none.png"}


@pytest.mark.parametrize("images", ["", "none", "memory://nothing"])
def test_without_a_folder_all_names_stand(images: str) -> None:
    found = locate_images(images, ["x\\a.png", "https://host/a.png", "/nowhere/a.png"])
    assert not found.found and not found.lost


def test_absolute_names_and_addresses_of_this_machine_stand(tmp_path: Path) -> None:
    images = folder(tmp_path, "a.png")
    (tmp_path / "a.png").touch()
    names = [f"{tmp_path}/a.png", f"file://{tmp_path}/a.png", "s3://bucket/a.png"]
    found = locate_images(images, [*names, "https://host/none.png"])
    assert not found.found and not found.lost
    assert files(locate_exports(images, names)) == dict.fromkeys(names, "a.png")


def test_links_that_lead_back_end(tmp_path: Path) -> None:
    images = folder(tmp_path, "sub/a.png")
    (tmp_path / "images/sub/back").symlink_to(tmp_path / "images")
    assert files(locate_images(images, ["x\\A.png", "sub\\a.png"])) == {"sub\\a.png": "sub/a.png"}


def test_a_link_to_nothing_stands(tmp_path: Path) -> None:
    images = folder(tmp_path, "a.png")
    (tmp_path / "images/b.png").symlink_to(tmp_path / "gone.png")
    found = locate_images(images, ["a.png", "b.png"])
    assert not found.found and not found.lost


def test_names_on_a_bucket() -> None:
    bucket = UPath("memory://names")
    for name in ("a.png", "sub/b c.png"):
        (bucket / name).write_bytes(b"x")
    found = locate_images(bucket, ["a.png", "sub%5Cb%20c.png", "none.png"])
    assert files(found) == {"sub%5Cb%20c.png": "sub/b c.png"}
    assert set(found.lost) == {"none.png"}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("images\\5.png", "b/5.png", True),
        ("1f2e3d4c-5.png", "5.png", True),
        ("cell%205.png", "cell 5.png", True),
        ("5", "5.png", True),
        ("6.png", "5.png", False),
        ("5.jpg", "5.png", False),
    ],
)
def test_names_of_one_image(one: str, other: str, same: bool) -> None:
    assert same_image(one, other) == same_image(other, one) == same


@pytest.mark.parametrize(
    ("name", "file"), [("x\\001.png", "x/001.png"), ("x/001%20a.png", "x/001 a.png")]
)
def test_coco_files_are_read_and_checked_by_the_files_that_their_names_mean(
    tmp_path: Path, name: str, file: str, caplog: pytest.LogCaptureFixture
) -> None:
    images = folder(tmp_path, file)
    Image.new("L", (6, 4), 9).save(f"{images}/{file}")
    data = {
        "images": [{"id": 1, "file_name": name, "width": 6, "height": 4}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "point": [1, 1]}],
        "categories": [{"id": 1, "name": "cell"}],
    }
    (tmp_path / "a.json").write_text(json.dumps(data))
    (record,) = read_coco(str(tmp_path / "a.json"), images)
    assert record.file == f"{images}/{file}"
    assert f"{name!r} is {file!r}" in caplog.text
    assert not [p for p in check_file(str(tmp_path / "a.json"), images) if p.severity == "error"]


def test_a_folder_that_does_not_exist_is_named_once(tmp_path: Path) -> None:
    images = [
        {"id": number, "file_name": f"{number}.png", "width": 6, "height": 4} for number in (1, 2)
    ]
    data = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "cell"}]}
    (tmp_path / "a.json").write_text(json.dumps(data))
    problems = check_file(str(tmp_path / "a.json"), str(tmp_path / "none"))
    (error,) = [problem for problem in problems if problem.severity == "error"]
    assert (error.where, error.found) == (f"{tmp_path}/none", "there is no such folder")


def test_a_missing_image_is_named_with_the_nearest_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images = folder(tmp_path, "cell_01.png")
    data = {
        "images": [{"id": 1, "file_name": "cell_02.png", "width": 6, "height": 4}],
        "annotations": [],
        "categories": [{"id": 1, "name": "cell"}],
    }
    (tmp_path / "a.json").write_text(json.dumps(data))
    read_coco(str(tmp_path / "a.json"), images)
    assert "1 of 1 images are not under" in caplog.text
    (error,) = [p for p in check_file(str(tmp_path / "a.json"), images) if p.severity == "error"]
    assert (error.found, error.wanted) == (
        "there is no such file",
        "the nearest is 'cell_01.png'",
    )
