"""Tests of ray_wssis.data.images.facts."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, TiffImagePlugin

from ray_wssis.data.images.facts import note_facts, read_facts
from ray_wssis.data.problem import Problem, Problems

NOISE = np.random.default_rng(0).integers(0, 256, (48, 64, 4), dtype=np.uint8)
NOISE[:, :, 3] = 255
COLOUR = Image.fromarray(NOISE[:, :, :3])


def found(*files: Path) -> list[Problem]:
    problems = Problems()
    note_facts([read_facts(str(file)) for file in files], problems)
    return problems.worst_first()


def saved(folder: Path, image: Image.Image, name: str, **options: Any) -> Path:
    image.save(folder / name, **options)
    return folder / name


def with_orientation(number: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = number
    return exif


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.webp", "a.bmp", "a.gif"])
def test_there_is_nothing_to_say_about_ordinary_images(tmp_path: Path, name: str) -> None:
    assert found(saved(tmp_path, COLOUR, name)) == []


@pytest.mark.parametrize("name", ["a.tif", "a.gif", "a.png", "a.webp"])
def test_pages_are_counted(tmp_path: Path, name: str) -> None:
    more = [COLOUR.rotate(180), COLOUR.rotate(90)]
    paged = saved(tmp_path, COLOUR, name, save_all=True, append_images=more)
    (problem,) = found(saved(tmp_path, COLOUR, f"one_{name}"), paged)
    assert (problem.severity, problem.kind) == ("warning", "several pages")
    assert problem.where == str(paged)
    assert problem.found == (
        "1 of 2 images have several pages (up to 3), of which the first is read"
    )


def test_smaller_copies_and_the_second_image_of_a_camera_are_no_pages(tmp_path: Path) -> None:
    small = COLOUR.resize((32, 24))
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    pyramid = tmp_path / "pyramid.tif"
    with TiffImagePlugin.AppendingTiffWriter(str(pyramid), new=True) as writer:
        COLOUR.save(writer, "tiff")
        writer.newFrame()
        tags[254] = 1
        tags.tagtype[254] = 4
        small.save(writer, "tiff", tiffinfo=tags)
        writer.newFrame()
    with Image.open(pyramid) as image:
        assert isinstance(image, TiffImagePlugin.TiffImageFile)
        assert image.n_frames == 2
    pair = saved(tmp_path, COLOUR, "a.mpo", save_all=True, append_images=[COLOUR])
    assert found(pyramid, pair) == []


@pytest.mark.parametrize(("alpha", "is_hidden"), [(0, True), (1, True), (128, False), (255, False)])
def test_an_image_that_its_transparency_hides_is_named(
    tmp_path: Path, alpha: int, is_hidden: bool
) -> None:
    pixels = NOISE.copy()
    pixels[:, :, 3] = alpha
    kinds = [p.kind for p in found(saved(tmp_path, Image.fromarray(pixels), "a.png"))]
    assert kinds == (["hidden by transparency"] if is_hidden else [])


def test_an_object_on_a_transparent_ground_is_not_hidden(tmp_path: Path) -> None:
    pixels = NOISE.copy()
    pixels[:, 8:, 3] = 0
    assert found(saved(tmp_path, Image.fromarray(pixels), "a.png")) == []


@pytest.mark.parametrize("level", [0, 128, 255])
def test_images_of_one_colour_are_named(tmp_path: Path, level: int) -> None:
    files = [saved(tmp_path, Image.new("L", (64, 48), level), f"{i}.png") for i in range(3)]
    (problem,) = found(*files, saved(tmp_path, COLOUR, "a.png"))
    assert (
        problem.kind == "few levels" and "3 of 4 images are nearly of one colour" in problem.found
    )


@pytest.mark.parametrize(
    ("orientations", "severity", "count"),
    [
        ((1, 1), None, 0),
        ((3, 6), "warning", 2),
        ((2, 4), "warning", 2),
        ((5, 8), "info", 2),
        ((1, 6), "info", 1),
        ((9, 0), None, 0),
    ],
)
def test_turned_images_are_counted(
    tmp_path: Path, orientations: tuple[int, int], severity: str | None, count: int
) -> None:
    files = [
        saved(tmp_path, COLOUR, f"{i}.jpg", exif=with_orientation(number))
        for i, number in enumerate(orientations)
    ]
    problems = found(*files)
    assert [problem.severity for problem in problems] == ([severity] if severity else [])
    if problems:
        assert f"{count} of 2 images are turned" in problems[0].found


def sixteen(largest: int) -> Image.Image:
    values: NDArray[Any] = np.linspace(0, largest, 64 * 48).astype(np.uint16).reshape(48, 64)
    return Image.fromarray(values)


def test_images_of_few_bits_are_said_to_be_stretched(tmp_path: Path) -> None:
    files = [saved(tmp_path, sixteen(4095), f"{i}.tif") for i in range(2)]
    (problem,) = found(*files, saved(tmp_path, COLOUR, "a.png"))
    assert (problem.severity, problem.found) == (
        "info",
        "2 images of 16 bits use fewer and are stretched; bits in use: 2 of 12",
    )
    assert found(saved(tmp_path, sixteen(65535), "full.tif")) == []


def test_colours_of_few_bits_are_said_to_be_stretched_too(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 4096, (48, 64, 3)).astype(np.uint16)
    for name in ("a.png", "a.tif"):
        cv2.imwrite(str(tmp_path / name), values)
        (problem,) = found(tmp_path / name)
        assert problem.found.endswith("bits in use: 1 of 12")


def test_a_mixture_of_depths_is_a_warning(tmp_path: Path) -> None:
    files = [saved(tmp_path, sixteen(largest), f"{largest}.png") for largest in (900, 4095, 60000)]
    warning, _ = found(*files)
    assert warning.kind == "mixed bit depths"
    assert "(1 of 10, 1 of 12, 1 of 16)" in warning.found
