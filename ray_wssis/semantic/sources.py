"""Sources of a semantic run: its images, and which of them keep their class maps."""

import logging
from typing import NamedTuple

from upath import UPath

from ray_wssis.data.builtin.semantic_shapes import (
    CLASS_MAPS,
    CLASSES,
    IMAGES,
    write_semantic_shapes,
)
from ray_wssis.data.class_maps.folder import read_folder
from ray_wssis.data.class_maps.names import places_of, read_names
from ray_wssis.data.class_maps.pairs import settle
from ray_wssis.data.problem import Problems
from ray_wssis.data.records import Records
from ray_wssis.semantic.draw import draw
from ray_wssis.semantic.split_config import SemanticDataConfig

SHAPES = "semantic_shapes"  # folder in the stage

logger = logging.getLogger(__name__)


class Source(NamedTuple):
    """All images that are known, with the class maps that are known."""

    images: Records
    validation: list[int] | None = None  # places of validation images; None: to be held out
    strong: list[int] | None = None  # places of the images that keep their maps; None: to be drawn


class Gathered(NamedTuple):
    """Three parts of a data set; weak images still have the class maps that are known."""

    strong: Records
    weak: Records
    validation: Records


def gather(config: SemanticDataConfig, seed: int, folder: UPath) -> Gathered:
    """Read the images and cut them in three; built-in ones are drawn to `folder` first.

    Raises ValueError for files that cannot be used and for lists of images that are not there.
    """
    problems = Problems()
    source = read_source(config, seed, folder, problems)
    settle(problems)
    images = source.images
    with_map = [place for place, record in enumerate(images) if record.class_map is not None]
    validation = source.validation
    if validation is None:
        number = max(1, int(len(with_map) * config.validation_percent / 100 + 1e-9))
        validation = draw(images, with_map, number, "image", seed + 1)
    held_out = set(validation)
    strong = source.strong
    if strong is None:
        able = [place for place in with_map if place not in held_out]
        strong = draw(images, able, _number(config.masks, len(able)), "image", seed)
    else:
        strong = strong[: _number(config.masks, len(strong))]
        _check_maps(images, strong, with_map)
        strong = [place for place in strong if place not in held_out]
    kept = {*strong, *held_out}
    weak = [place for place in range(len(images)) if place not in kept]
    return Gathered(images.select(strong), images.select(weak), images.select(validation))


def read_source(config: SemanticDataConfig, seed: int, folder: UPath, problems: Problems) -> Source:
    """Read all images that a configuration names."""
    if config.semantic_shapes is not None:
        shapes = config.semantic_shapes
        total = shapes.num_images + shapes.num_validation_images
        root = write_semantic_shapes(folder / SHAPES, total, seed, shapes.size)
        images = read_folder(root / IMAGES, root / CLASS_MAPS, str(root / CLASSES), problems)
        return Source(images, list(range(shapes.num_images, total)))
    assert config.folder is not None
    named = config.folder
    images = read_folder(named.images, named.class_maps, named.classes, problems)
    return Source(
        images,
        None if config.validation is None else _listed(config.validation, images),
        None if config.strong is None else _listed(config.strong, images),
    )


def _listed(file: str, images: Records) -> list[int]:
    return places_of(read_names(file), images, file)


def _number(wanted: int | None, able: int) -> int:
    """Return how many images keep their maps.  Raises ValueError for more than there are."""
    if wanted is not None and wanted > able:
        raise ValueError(f"masks is {wanted}, but only {able} images have a class map to keep")
    return able if wanted is None else wanted


def _check_maps(images: Records, strong: list[int], with_map: list[int]) -> None:
    lacking = sorted(set(strong) - set(with_map))
    if lacking:
        raise ValueError(
            f"{len(lacking)} of {len(strong)} images of the strong list have no class map, for "
            f"instance {images[lacking[0]].file}"
        )
