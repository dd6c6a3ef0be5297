from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wssis_serve.errors import ApiError
from wssis_serve.roots import resolve


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """allowed/ with images and links, beside things that nobody may see."""
    tree = tmp_path_factory.mktemp("tree").resolve()
    (tree / "allowed/disc").mkdir(parents=True)
    (tree / "allowed/disc/a.jpg").write_bytes(b"a")
    (tree / "allowed/disc/~").mkdir()
    (tree / "allowed/disc/100%2e").write_bytes(b"%")
    (tree / "second").mkdir()
    (tree / "second/b.jpg").write_bytes(b"b")
    (tree / "allowed2").mkdir()  # has the name of a root as its beginning
    (tree / "secret").mkdir()
    (tree / "secret/key").write_bytes(b"key")
    (tree / "allowed/out").symlink_to(tree / "secret")
    (tree / "allowed/up").symlink_to("..")
    (tree / "allowed/loop").symlink_to("loop")
    (tree / "allowed/same").symlink_to("disc")
    (tree / "allowed/key").symlink_to("../secret/key")
    return tree


def refused(name: str, roots: list[str]) -> str:
    with pytest.raises(ApiError) as error:
        resolve(name, roots)
    assert (error.value.status, error.value.code) == (404, "not_found")
    return str(error.value)


def test_a_place_is_named_by_path_uri_or_relative_to_a_root(tree: Path) -> None:
    roots = [f"{tree}/allowed", f"file://{tree}/second"]
    wanted = str(tree / "allowed/disc/a.jpg")
    for name in ("disc/a.jpg", "./disc//a.jpg", "same/a.jpg", "disc/../disc/a.jpg", wanted):
        assert str(resolve(name, roots)) == wanted
    assert str(resolve(f"file://{wanted}", roots)) == wanted
    assert str(resolve(".", roots)) == str(resolve(f"{tree}/allowed/", roots)) == f"{tree}/allowed"
    assert str(resolve("b.jpg", roots)) == f"{tree}/second/b.jpg"  # the root that has it
    assert str(resolve("new.jpg", roots)) == f"{tree}/allowed/new.jpg"
    assert str(resolve("disc/100%2e", roots)) == f"{tree}/allowed/disc/100%2e"
    assert str(resolve("up/allowed/disc/a.jpg", roots)) == wanted  # out and in again is in


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "../secret/key",
        "disc/../../secret/key",
        "up/secret/key",
        "out",
        "out/key",
        "out/nothing",
        "key",
        "same/../../secret/key",
        "disc/a.jpg\0",
        "\ud800",
        "{tree}",
        "{tree}/allowed2",
        "{tree}/secret/key",
        "{tree}/allowed/../secret/key",
        "file://{tree}/secret/key",
        "file://{tree}/allowed/up/secret",
        "file://localhost{tree}/allowed/disc",
        "file://../secret/key",
        "local://{tree}/secret/key",
        "FILE://{tree}/allowed/disc",
        "simplecache::file://{tree}/allowed/disc",
        "zip://x::{tree}/allowed/disc/a.jpg",
        "http://localhost/a.jpg",
        "s3://bucket/allowed",
        "data://text/plain,hi",
    ],
)
def test_nothing_outside_can_be_named(tree: Path, name: str) -> None:
    message = refused(name.format(tree=tree), [f"{tree}/allowed", "http://localhost"])
    assert message.endswith("is not under a folder that this server may read")


def test_what_exists_outside_and_what_does_not_get_the_same_answer(tree: Path) -> None:
    roots = [f"{tree}/allowed"]
    existing, missing = refused("../secret/key", roots), refused("../secret/kez", roots)
    assert existing.replace("key", "kez") == missing
    assert len(refused("../" * 10_000, roots)) < 300


def test_home_is_a_name_like_any_other(tree: Path) -> None:
    assert str(resolve("~/x", [f"{tree}/allowed"])) == f"{tree}/allowed/~/x"
    refused(str(Path("~/x").expanduser()), [f"{tree}/allowed"])


def test_without_roots_nothing_can_be_named(tree: Path) -> None:
    refused(f"{tree}/allowed", [])
    refused(".", [])
    refused("s3://bucket/x", [])


def test_a_place_in_a_bucket_is_named_by_its_uri() -> None:
    roots = ["s3://bucket/images/", "memory://", "http://host/images", "gs://other"]
    for name in ("s3://bucket/images", "s3://bucket/images/a/b.jpg", "gs://other/x"):
        assert str(resolve(name, roots)) == name
    for name in (
        "s3://bucket",
        "s3://bucket/images2/a",
        "s3://bucket/images/../private",
        "s3://bucket/images/%2e%2e/private",
        "s3://bucket/images/%252E./private",
        "s3://bucket/images/..%2fprivate",
        "s3://bucket/images/a\\..\\..\\private",
        "s3://key@bucket/images/a",
        "s3://other/images",
        "S3://bucket/images/a",
        "s3a://bucket/images/a",
        "s3:///bucket/images/a",
        "gs://bucket/images/a",
        "memory://other/a",  # a root without a bucket is none
        "http://host/images/a",
        "https://host/images/a",
        "filecache::s3://bucket/images/a",
        "images/a",
    ):
        refused(name, roots)


PARTS = ["..", ".", "", "~", "disc", "same", "up", "out", "loop", "key", "secret", "allowed"]
ODD_PARTS = ["allowed2", "%2e%2e", "..%2f..", "\\..\\", "::", "file:", "é", "\0", "x" * 300]


@settings(max_examples=400, deadline=None)
@given(
    start=st.sampled_from(
        ["", "/", "//", "{tree}/", "{tree}/allowed/", "file://", "file://{tree}"]
    ),
    parts=st.lists(st.sampled_from(PARTS + ODD_PARTS) | st.text(max_size=3), max_size=8),
)
def test_whatever_is_named_the_system_finds_it_inside(
    tree: Path, start: str, parts: list[str]
) -> None:
    root = tree / "allowed"
    try:
        found = resolve(start.format(tree=tree) + "/".join(parts), [str(root)])
    except ApiError:
        return
    path = Path(found.path)
    while not path.exists():  # the folders that may be made
        path = path.parent
    inside = [root, *root.rglob("*")]
    assert path.stat().st_ino in {place.lstat().st_ino for place in inside}
