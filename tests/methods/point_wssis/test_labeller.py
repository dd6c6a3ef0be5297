"""The labellers of PointWSSIS at work in their actors, without Ray."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from upath import UPath

from ray_wssis.artifacts import Artifact, Part
from ray_wssis.config import load_config
from ray_wssis.data.images.read import read_image
from ray_wssis.data.records import Records
from ray_wssis.instance.evaluate import find_instances
from ray_wssis.instance.segmenter import Segmenter
from ray_wssis.instance.split import STRONG, VALIDATION, WEAK
from ray_wssis.masks import area
from ray_wssis.methods.point_wssis.labeller import PointLabeller
from ray_wssis.methods.point_wssis.rough_masks import EarlyTeachers
from ray_wssis.models.model_folder import hash_model
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.streaming.decode import Decoder, Image, read_task
from ray_wssis.streaming.plan import Source

SIDES = load_config(PointWSSISConfig, "shapes").teacher.model.sides


def decoded(data: Artifact, name: str) -> list[Image]:
    """The images of a records file, in its order."""
    source = Source(data / name, "", SIDES, needs_original=True)
    (images,) = read_task(source.task([list(range(len(source)))]))
    decoder = Decoder(network_size=SIDES, needs_original=True, max_megapixels=1)
    return decoder(images)[0]


def part(folder: Path) -> Part:
    return Part(path=UPath(folder), digest=hash_model(UPath(folder)))


def test_images_arrive_as_they_are_on_disk(data: Artifact) -> None:
    for image in decoded(data, STRONG):
        record = image.record
        np.testing.assert_array_equal(image.pixels, read_image(record.file, (64, 64)))
        assert image.network_image.shape == (128, 128, 3)
        assert image.source == "strong" and image.failure is None


def test_each_checkpoint_draws_twice_for_its_own_images(data: Artifact, untrained: Path) -> None:
    teacher = str(untrained / "teacher")
    labeller = EarlyTeachers(
        teachers={"strong": [teacher, teacher], "val": [teacher]},
        made_from="",
        network_size=SIDES,
        canvas_multiple=32,
    )
    draw = labeller.open()
    for name, times in ((STRONG, 4), (VALIDATION, 2)):
        images = decoded(data, name)
        rows = draw(images)
        ids = [image.record.image_id for image in images]
        assert sorted(row["image_id"] for row in rows) == sorted(ids * times)
        for row in rows:
            assert len(row["rough"]) == len(row["annotation_id"]) > 0


def test_every_point_has_its_place_in_the_labels(data: Artifact, untrained: Path) -> None:
    labeller = PointLabeller.of(part(untrained / "teacher"), part(untrained / "refiner"))
    drafts = labeller.open()(decoded(data, WEAK))
    for record, draft in zip(Records.read(data / WEAK), drafts, strict=True):
        row = labeller.finish(draft)
        assert set(labeller.schema.names) <= set(row)
        assert set(labeller.signals) - {"duplicate"} <= set(row)  # which is a flag
        assert row["annotation_id"] == [obj.annotation_id for obj in record.objects]
        assert list(zip(row["x"], row["y"], strict=True)) == [obj.point for obj in record.objects]
        for rough, refined, level, pixels in zip(
            row["rough"], row["refined"], row["level"], row["area"], strict=True
        ):
            assert (rough is None) == (refined is None) == (level == -1) == (pixels == 0)
            assert refined is None or area(refined, 64, 64) == pixels


def test_without_a_refiner_rough_masks_stay(data: Artifact, untrained: Path) -> None:
    labeller = PointLabeller.of(part(untrained / "teacher"), None)
    for draft in labeller.open()(decoded(data, WEAK)):
        row = labeller.finish(draft)
        assert row["refined"] == row["rough"] and row["refined_score"] == row["maskness"]


def test_objects_without_a_point_have_no_row_and_shift_no_class(
    data: Artifact, untrained: Path
) -> None:
    labeller = PointLabeller.of(part(untrained / "teacher"), None)
    infer = labeller.open()
    image = decoded(data, WEAK)[0]
    first, *others = image.record.objects
    lacking = replace(image.record, objects=(replace(first, point=None), *others))
    without = replace(image.record, objects=tuple(others))
    (found,), (expected,) = (
        infer([replace(image, record=record)]) for record in (lacking, without)
    )
    assert len(found["rough"]) == len(others) and found == expected


def test_models_of_two_sizes_see_the_same_images(
    data: Artifact, untrained: Path, tmp_path: Path
) -> None:
    small = Segmenter.load(UPath(untrained / "teacher"), torch.device("cpu"))
    small.config = small.config.model_copy(update={"shorter": 64})
    small.save(UPath(tmp_path / "small"), "# small\n")
    models = {"teacher": part(untrained / "teacher"), "small": part(tmp_path / "small")}
    rows = find_instances(models).open()(decoded(data, VALIDATION))
    assert [row["model"] for row in rows] == ["teacher"] * 2 + ["small"] * 2
