"""Sources of a semantic run: its images, and which of them keep their class maps."""

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

from upath import UPath

from ray_wssis.data.builtin.semantic_shapes import (
    CLASS_MAPS,
    CLASSES,
    IMAGES,
    write_semantic_shapes,
)
from ray_wssis.data.class_maps.cityscapes import is_validation, read_cityscapes
from ray_wssis.data.class_maps.folder import read_folder
from ray_wssis.data.class_maps.names import is_coco_list, places_of, read_names
from ray_wssis.data.class_maps.painted import read_painted
from ray_wssis.data.class_maps.pairs import settle
from ray_wssis.data.class_maps.png import decode, present
from ray_wssis.data.class_maps.tags import Tags, note_contradictions, read_tags
from ray_wssis.data.class_maps.voc import list_file, listed_names, read_voc
from ray_wssis.data.problem import Problems
from ray_wssis.data.records import Record, Records
from ray_wssis.data.sparse.coco import coco_files
from ray_wssis.semantic.draw import draw
from ray_wssis.semantic.split_config import (
    FolderConfig,
    SemanticDataConfig,
    VocConfig,
)
from ray_wssis.storage import locate

SHAPES = "semantic_shapes"  # folder in the stage

logger = logging.getLogger(__name__)


class Source(NamedTuple):
    """All images that are known, with the class maps that are known."""

    images: Records
    validation: list[int] | None = None  # places of validation images; None: to be held out
    strong: list[int] | None = None  # places of the images that keep their maps; None: to be drawn


class Gathered(NamedTuple):
    """Three parts of a data set; with sparse labels none of the images is strong."""

    strong: Records
    weak: Records  # still with the class maps that are known, and the classes they show as tags
    validation: Records
    said: Tags | None  # tags that somebody gave, by image id; None: those of the class maps


def gather(config: SemanticDataConfig, seed: int, folder: UPath) -> Gathered:
    """Read the images and cut them in three; built-in ones are drawn to `folder` first.

    Raises ValueError for files that cannot be used and for lists of images that are not there.
    """
    source = read_source(config, seed, folder)
    images, said = source.images, given_tags(config, source.images)
    if config.annotations is not None:
        images = with_shown_tags(images)
    with_map = [place for place, record in enumerate(images) if record.class_map is not None]
    validation = source.validation
    if validation is None:
        number = max(1, int(len(with_map) * config.validation_percent / 100 + 1e-9))
        validation = draw(images, with_map, number, "image", seed + 1)
    _check_maps("validation", images, validation, with_map)
    held_out = set(validation)
    strong = [] if config.is_sparse else source.strong
    if strong is None:
        able = [place for place in with_map if place not in held_out]
        strong = draw(images, able, _number(config.masks, len(able)), "image", seed)
    else:
        strong = strong[: _number(config.masks, len(strong))]
        _check_maps("strong", images, strong, with_map)
        strong = _without_validation(images, strong, held_out)
    kept = {*strong, *held_out}
    weak = [place for place in range(len(images)) if place not in kept]
    return Gathered(images.select(strong), images.select(weak), images.select(validation), said)


def deciding_files(config: SemanticDataConfig) -> list[str]:
    """List the files that decide a split, apart from images and class maps.

    Raises ValueError for a list of a VOC tree that does not exist.
    """
    classes = config.folder.classes if config.folder else None
    named = [config.strong, config.validation, config.tags, config.annotations, classes]
    if config.voc is not None:
        named += _voc_lists(config.voc)
    if config.sparse_labels is not None:
        named += config.sparse_labels.labels
    return [file for file in named if isinstance(file, str) and UPath(file).is_file()]


def deciding_folders(config: SemanticDataConfig) -> list[str]:
    """List the folders of sparse labels."""
    labels = () if config.sparse_labels is None else config.sparse_labels.labels
    return [folder for folder in labels if locate(folder).is_dir()]


def read_source(config: SemanticDataConfig, seed: int, folder: UPath) -> Source:
    """Read all images that a configuration names."""
    if config.semantic_shapes is not None:
        shapes = config.semantic_shapes
        total = shapes.num_images + shapes.num_validation_images
        root = write_semantic_shapes(folder / SHAPES, total, seed, shapes.size, shapes.rare)
        drawn = FolderConfig(
            images=str(root / IMAGES),
            class_maps=str(root / CLASS_MAPS),
            classes=str(root / CLASSES),
        )
        return Source(_read_folder(drawn), list(range(shapes.num_images, total)))
    if config.voc is not None:
        return _read_voc(config.voc)
    if config.folder is not None:
        images = _read_folder(config.folder)
    elif config.cityscapes is not None:
        problems = Problems()
        images = read_cityscapes(config.cityscapes.root, problems)
        settle(problems)
    else:
        assert config.annotations is not None and config.images is not None
        images = read_painted(config.annotations, config.images, other_files(config))
    validation = None if config.validation is None else _listed(config.validation, images)
    if config.cityscapes is not None:
        validation = [i for i, record in enumerate(images) if is_validation(record.file)]
    return Source(
        images, validation, None if config.strong is None else _listed(config.strong, images)
    )


def other_files(config: SemanticDataConfig) -> list[str]:
    """List the COCO files besides `annotations`: sparse labels, and lists of images."""
    files = [] if config.sparse_labels is None else coco_files(config.sparse_labels)
    lists = [file for file in (config.strong, config.validation) if file is not None]
    files += [file for file in lists if is_coco_list(file)]
    return [file for file in files if file != config.annotations]


def given_tags(config: SemanticDataConfig, images: Records) -> Tags | None:
    """Return the tags of a table, or of a COCO file, and warn of those that class maps contradict.

    In a COCO file, images without tags have those of their class map.
    """
    problems = Problems()
    if config.tags is not None:
        said = read_tags(config.tags, images, problems)
    elif config.annotations is not None:
        said = {record.image_id: record.tags for record in images if record.tags is not None}
    else:
        return None
    note_contradictions(images, said, problems)
    settle(problems)
    return said


def with_shown_tags(records: Records) -> Records:
    """Add the classes that a class map shows to the tags of its image, which may lack some."""

    def shown(record: Record) -> Record:
        if record.class_map is None:
            return record
        tags = {*(record.tags or ()), *present(decode(record.class_map))}
        return replace(record, tags=tuple(sorted(tags)))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return Records.from_rows(pool.map(shown, records), records.categories)


def _read_folder(config: FolderConfig) -> Records:
    problems = Problems()
    images = read_folder(config.images, config.class_maps, config.classes, problems)
    settle(problems)
    return images


def _read_voc(config: VocConfig) -> Source:
    """Read the images of the three lists of a tree."""
    strong, weak, validation = map(listed_names, _voc_lists(config))
    names = list(dict.fromkeys([*strong, *weak, *validation]))
    problems = Problems()
    images = read_voc(config.root, names, problems)
    settle(problems)
    place = {name: place for place, name in enumerate(names)}
    _warn_of_overlap(weak, set(validation), "weak")
    return Source(images, [place[name] for name in validation], [place[name] for name in strong])


def _voc_lists(config: VocConfig) -> list[str]:
    """Locate the lists of strong, weak and validation images."""
    return [list_file(config.root, x) for x in (config.strong, config.weak, config.validation)]


def _listed(file: str, images: Records) -> list[int]:
    return places_of(read_names(file), images, file)


def _number(wanted: int | None, able: int) -> int:
    """Return how many images keep their maps.  Raises ValueError for more than there are."""
    if wanted is not None and wanted > able:
        raise ValueError(f"masks is {wanted}, but only {able} images have a class map to keep")
    return able if wanted is None else wanted


def _check_maps(part: str, images: Records, places: list[int], with_map: list[int]) -> None:
    lacking = sorted(set(places) - set(with_map))
    if lacking:
        raise ValueError(
            f"{len(lacking)} of {len(places)} {part} images have no class map, for instance "
            f"{images[lacking[0]].file}"
        )


def _without_validation(images: Records, strong: list[int], held_out: set[int]) -> list[int]:
    """Leave out strong images that validate, with a warning."""
    _warn_of_overlap(
        [images[place].file for place in strong],
        {images[place].file for place in held_out.intersection(strong)},
        "strong",
    )
    return [place for place in strong if place not in held_out]


def _warn_of_overlap(listed: Sequence[str], validation: set[str], part: str) -> None:
    both = [name for name in listed if name in validation]
    if both:
        logger.warning(
            "%d of %d images of the %s list are validation images too, for instance %s: they "
            "validate, and nothing learns from them",
            len(both),
            len(listed),
            part,
            both[0],
        )
