import base64
import io
from pathlib import Path

import pytest
from PIL import Image
from wssis_serve.config import ServeConfig
from wssis_serve.label_studio.images import checked_image

from tests.support.label_studio import message_of


@pytest.fixture
def config(tmp_path: Path, image: bytes) -> ServeConfig:
    for name in ("images/in folder/a.png", "images/b.png", "media/upload/4/31cc-b c.png", "c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(image)
    (tmp_path / "images/text.png").write_text("no image")
    (tmp_path / "images/empty.png").touch()
    return ServeConfig(
        model="-",
        images=(str(tmp_path / "images"),),
        label_studio_files=str(tmp_path / "media"),
        max_megabytes=0.1,
    )


@pytest.mark.parametrize(
    "name",
    [
        "/data/local-files/?d=in%20folder/a.png",
        "/data/local-files/?d=b.png",
        "b.png",
        "{images}/b.png",
        "file://{images}/b.png",
        "/data/upload/4/31cc-b%20c.png",
        "/data/upload/4/31cc-b c.png",
    ],
)
def test_reads_what_the_operator_allows(name: str, config: ServeConfig, image: bytes) -> None:
    found = checked_image(name.format(images=config.images[0]), config)
    assert found == (image, (160, 160))


def test_reads_an_image_in_the_task_itself(config: ServeConfig, image: bytes) -> None:
    uri = "data:image/png;base64," + base64.b64encode(image).decode()
    assert checked_image(uri, config) == (image, (160, 160))


def test_the_size_is_that_of_the_image_as_displayed(config: ServeConfig) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # on its side
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20)).save(buffer, "JPEG", exif=exif)
    uri = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
    assert checked_image(uri, config)[1] == (20, 30)


@pytest.mark.parametrize(
    ("name", "status", "message"),
    [
        ("http://169.254.169.254/latest/a.png", 422, "never fetched"),
        ("HTTPS://example.org/a.png", 422, "never fetched"),
        ("//example.org/a.png", 422, "never fetched"),
        ("/data/local-files/?d=http://example.org/a.png", 422, "never fetched"),
        ("/data/local-files/?d=../c.png", 404, "not under a folder"),
        ("/data/local-files/?d=/etc/passwd", 404, "not under a folder"),
        ("/data/local-files/", 404, "not under a folder"),
        ("/data/upload/../../c.png", 404, "not under a folder"),
        ("/data/upload/%2e%2e/%2e%2e/c.png", 404, "not under a folder"),
        ("{images}/../c.png", 404, "not under a folder"),
        ("ftp://example.org/a.png", 404, "not under a folder"),
        ("s3://bucket/a.png", 404, "not under a folder"),
        ("missing.png", 404, "cannot be read"),
        ("in folder", 404, "cannot be read"),
        ("text.png", 415, "wanted: an undamaged"),
        ("empty.png", 400, "no bytes"),
        ("data:image/png,abc", 422, "without base64"),
        ("data:image/png;base64,####", 422, "not base64"),
        ("data:image/png;base64,ä", 422, "not base64"),
        ("data:image/png;base64,aGVsbG8=", 415, "wanted: an undamaged"),
    ],
)
def test_reads_nothing_else(name: str, status: int, message: str, config: ServeConfig) -> None:
    name = name.format(images=config.images[0])
    assert message in message_of(lambda: checked_image(name, config), status)


def test_reads_no_file_that_is_too_large(config: ServeConfig) -> None:
    (Path(config.images[0]) / "b.png").write_bytes(bytes(100_001))
    assert "more than 0.1 megabytes" in message_of(lambda: checked_image("b.png", config), 413)


def test_says_what_the_operator_may_configure() -> None:
    bare = ServeConfig(model="-")
    assert "`images`" in message_of(lambda: checked_image("/data/local-files/?d=b.png", bare))
    upload = "/data/upload/4/b.png"
    assert "`label_studio_files`" in message_of(lambda: checked_image(upload, bare))
