"""Tests of ray_wssis.data.images.read."""

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from ray_wssis.data.images.read import (
    ImageError,
    MissingImage,
    decode_image,
    image_uri,
    read_image,
    read_size,
    resize_image,
    resize_mask,
    shortest_edge_size,
)


def saved(folder: Path, image: Image.Image, name: str = "a.png", **options: object) -> str:
    file = str(folder / name)
    image.save(file, **options)  # type: ignore[arg-type]
    return file


def rgb() -> Image.Image:
    """4 x 3 pixels, every one another colour."""
    return Image.fromarray(np.arange(36, dtype=np.uint8).reshape(3, 4, 3) * 7)


def test_a_colour_image_comes_as_it_is(tmp_path: Path) -> None:
    image = read_image(saved(tmp_path, rgb()), (3, 4))
    assert image.dtype == np.uint8
    assert (image == np.asarray(rgb())).all()


def test_gray_has_three_equal_channels(tmp_path: Path) -> None:
    image = read_image(saved(tmp_path, Image.new("L", (2, 3), 77)))
    assert image.shape == (3, 2, 3)
    assert (image == 77).all()


def test_black_and_white_is_0_and_255(tmp_path: Path) -> None:
    assert (read_image(saved(tmp_path, Image.new("1", (2, 2), 1))) == 255).all()


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bits_are_scaled_to_8(tmp_path: Path, name: str) -> None:
    values = np.array([[0, 257, 65535, 32896]], dtype=np.uint16)
    image = read_image(saved(tmp_path, Image.fromarray(values), name))
    assert image[0, :, 1].tolist() == [0, 1, 255, 128]


def test_32_bits_beyond_16_are_refused(tmp_path: Path) -> None:
    values = np.array([[0, 70000]], dtype=np.int32)
    with pytest.raises(ImageError, match="from 0 to 70000"):
        read_image(saved(tmp_path, Image.fromarray(values), "a.tif"))


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="floating-point"):
        read_image(saved(tmp_path, Image.fromarray(np.zeros((2, 2), np.float32)), "a.tif"))


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    cyan = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    red, green, blue = read_image(saved(tmp_path, cyan, "a.jpg"))[4, 4]
    assert red < 20 and green > 230 and blue > 230


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    image = Image.new("P", (2, 2), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    assert read_image(saved(tmp_path, image))[0, 0].tolist() == [10, 20, 30]


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (2, 1), (10, 20, 30, 255))
    image.putpixel((1, 0), (10, 20, 30, 0))
    pixels = read_image(saved(tmp_path, image))
    assert pixels[0].tolist() == [[10, 20, 30], [255, 255, 255]]


def test_the_camera_s_rotation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees clockwise
    file = saved(tmp_path, rgb(), exif=exif)
    assert (read_image(file, (4, 3)) == np.rot90(np.asarray(rgb()), -1)).all()


def test_annotations_of_the_unrotated_image_get_a_hint(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    file = saved(tmp_path, rgb(), exif=exif)
    with pytest.raises(ImageError, match=r"is 3 x 4 .*for 4 x 3; .*EXIF"):
        read_image(file, (3, 4))


def test_another_size_names_both(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"a\.png: the image is 4 x 3 .*for 9 x 8"):
        read_image(saved(tmp_path, rgb()), (8, 9))


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
@pytest.mark.parametrize("keep", [0.05, 0.5, 0.9])
def test_a_truncated_image_is_an_image_error(tmp_path: Path, name: str, keep: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = Path(saved(tmp_path, Image.fromarray(noise), name)).read_bytes()
    cut = tmp_path / f"cut_{name}"
    cut.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(ImageError, match="cut_"):
        read_image(str(cut))


def test_a_missing_image_is_an_image_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"b\.png: there is no such file"):
        read_image(str(tmp_path / "b.png"))


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="folder"):
        read_image(str(tmp_path))


@pytest.mark.parametrize(
    ("content", "complaint"), [(b"", "zero bytes"), (b"<html>", "not an image")]
)
def test_other_files_are_not_images(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(ImageError, match=complaint):
        read_image(str(tmp_path / "a.jpg"))


@pytest.mark.parametrize("limit", [4, 8])  # above twice the limit and below: two ways to say it
def test_an_image_too_large_to_unpack_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    file = saved(tmp_path, rgb())
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(ImageError, match="too many pixels"):
        read_image(file)


def test_images_are_read_from_any_file_system() -> None:
    import fsspec

    buffer = io.BytesIO()
    rgb().save(buffer, "png")
    with fsspec.open("memory://bucket/a.png", "wb") as file:
        file.write(buffer.getvalue())
    assert read_image("memory://bucket/a.png").shape == (3, 4, 3)
    with pytest.raises(ImageError, match="no such file"):
        read_image("memory://bucket/b.png")


def test_an_image_error_survives_the_way_between_processes() -> None:
    error = pickle.loads(pickle.dumps(ImageError("a.png", "zero bytes", "fetch it again")))
    assert str(error) == "a.png: zero bytes; fetch it again"


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((480, 640), (800, 1067)),
        ((640, 480), (1067, 800)),
        ((100, 400), (333, 1333)),  # the longer side decides
        ((1, 3000), (1, 1333)),  # never nothing
    ],
)
def test_the_shorter_side_is_800_unless_the_longer_exceeds_1333(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert shortest_edge_size(*size, 800, 1333) == expected


def test_a_smaller_image_is_averaged() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[::2] = 200
    assert abs(int(resize_image(image, 1, 1)[0, 0, 0]) - 100) <= 1
    assert resize_image(image, 4, 4) is image
    assert resize_image(image, 8, 6).shape == (8, 6, 3)


def test_a_resized_mask_takes_the_nearest_pixel() -> None:
    mask = np.eye(2, dtype=bool)
    assert (resize_mask(mask, 4, 4) == np.kron(mask, np.ones((2, 2), bool))).all()
    assert (resize_mask(resize_mask(mask, 6, 10), 2, 2) == mask).all()
    assert resize_mask(np.zeros((3, 2, 2)), 5, 7).shape == (3, 5, 7)


@pytest.mark.parametrize("tag", [b"\x01\x4a", b"\x01\x3f"])
def test_odd_exif_is_damage_too(tag: bytes) -> None:
    """Pillow writes EXIF again while it turns an image, and fails in its own ways."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, format="JPEG", exif=exif.tobytes())
    odd = buffer.getvalue().replace(b"\x01\x0f\x00\x02", tag + b"\x00\x02", 1)
    with pytest.raises(ImageError, match="cut short or damaged"):
        decode_image("odd.jpg", odd)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.webp", "a.avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_that_of_the_image(tmp_path: Path, name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    file = saved(tmp_path, rgb(), name, exif=exif)
    assert read_size(file) == read_image(file).shape[:2]
    assert read_size(file) == ((3, 4) if orientation < 5 else (4, 3))


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_the_size_is_in_the_first_bytes(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (90, 60, 3), np.uint8)
    file = Path(saved(tmp_path, Image.fromarray(noise), name))
    file.write_bytes(file.read_bytes()[:1000])
    assert read_size(str(file), (90, 60)) == (90, 60)
    with pytest.raises(ImageError, match="cut short"):
        read_image(str(file))


def test_a_size_that_cannot_be_read_is_reported_as_for_images(tmp_path: Path) -> None:
    file = saved(tmp_path, rgb())
    with pytest.raises(ImageError, match="its annotations are for 3 x 4"):
        read_size(file, (4, 3))
    (tmp_path / "b.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match="begins with b'no image'"):
        read_size(str(tmp_path / "b.png"))
    with pytest.raises(MissingImage, match="no such file"):
        read_size(str(tmp_path / "none.png"))
    with pytest.raises(ImageError, match="this is a folder"):
        read_size(str(tmp_path))


@pytest.mark.parametrize(
    ("images", "name", "uri"),
    [
        ("", "a.png", "a.png"),
        ("x/", "b/a.png", "x/b/a.png"),
        ("/", "a.png", "/a.png"),
        ("x", "/y/a.png", "/y/a.png"),
        ("x", "s3://y/a.png", "s3://y/a.png"),
        ("s3://x", "a.png", "s3://x/a.png"),
    ],
)
def test_images_lie_under_the_folder_unless_they_say_otherwise(
    images: str, name: str, uri: str
) -> None:
    assert image_uri(images, name) == uri
