"""What the streaming actors do, without Ray: decode, drill, label, predict."""

from pathlib import Path

import numpy as np
import torch
from upath import UPath

from ray_wssis.artifacts import Artifact
from ray_wssis.config import load_config
from ray_wssis.data.images import read_image
from ray_wssis.data.records import Records
from ray_wssis.instance.label import LabelPoints
from ray_wssis.instance.label_row import finish_row
from ray_wssis.instance.predict import FindInstances
from ray_wssis.instance.segmenter import Segmenter
from ray_wssis.instance.split import STRONG, VALIDATION, WEAK
from ray_wssis.masks import area
from ray_wssis.methods.point_wssis.rough_masks import DrawRoughMasks
from ray_wssis.recipes.point_wssis import PointWSSISConfig
from ray_wssis.streaming.decode import Decoder, Picture, read_task
from ray_wssis.streaming.plan import Source

SIDES = load_config(PointWSSISConfig, "shapes").teacher.model.sides


def decoded(data: Artifact, name: str) -> list[Picture]:
    """The pictures of a records file, in its order."""
    source = Source(data / name, "", SIDES, needs_original=True)
    (pictures,) = read_task(source.task([list(range(len(source)))]))
    decoder = Decoder(network_size=SIDES, needs_original=True, max_megapixels=1)
    return decoder(pictures)[0]


def test_pictures_arrive_as_they_are_on_disk(data: Artifact) -> None:
    for picture in decoded(data, STRONG):
        record = picture.record
        np.testing.assert_array_equal(picture.image, read_image(record.file, (64, 64)))
        assert picture.network_image.shape == (128, 128, 3)
        assert picture.source == "strong" and picture.failure is None


def test_each_checkpoint_draws_twice_for_its_own_pictures(data: Artifact, untrained: Path) -> None:
    teacher = str(untrained / "teacher")
    draw = DrawRoughMasks({"strong": [teacher, teacher], "val": [teacher]})
    for name, times in ((STRONG, 4), (VALIDATION, 2)):
        pictures = decoded(data, name)
        rows = draw(pictures)
        ids = [picture.record.image_id for picture in pictures]
        assert sorted(row["image_id"] for row in rows) == sorted(ids * times)
        for row in rows:
            assert len(row["rough"]) == len(row["annotation_id"]) > 0


def test_every_point_has_its_place_in_the_labels(data: Artifact, untrained: Path) -> None:
    label = LabelPoints(str(untrained / "teacher"), str(untrained / "refiner"))
    for record, draft in zip(Records.read(data / WEAK), label(decoded(data, WEAK)), strict=True):
        row = finish_row(draft)
        assert row["annotation_id"] == [obj.annotation_id for obj in record.objects]
        assert list(zip(row["x"], row["y"], strict=True)) == [obj.point for obj in record.objects]
        for rough, refined, level, pixels in zip(
            row["rough"], row["refined"], row["level"], row["area"], strict=True
        ):
            assert (rough is None) == (refined is None) == (level == -1) == (pixels == 0)
            assert refined is None or area(refined, 64, 64) == pixels


def test_without_a_refiner_rough_masks_stay(data: Artifact, untrained: Path) -> None:
    for draft in LabelPoints(str(untrained / "teacher"), None)(decoded(data, WEAK)):
        row = finish_row(draft)
        assert row["refined"] == row["rough"] and row["refined_score"] == row["maskness"]


def test_models_of_two_sizes_see_the_same_pictures(
    data: Artifact, untrained: Path, tmp_path: Path
) -> None:
    teacher = str(untrained / "teacher")
    small = Segmenter.load(UPath(teacher), torch.device("cpu"))
    small.config = small.config.model_copy(update={"shorter": 64})
    small.save(UPath(tmp_path / "small"), "# small\n")
    find = FindInstances({"teacher": teacher, "small": str(tmp_path / "small")})
    rows = find(decoded(data, VALIDATION))
    assert [row["model"] for row in rows] == ["teacher"] * 2 + ["small"] * 2
