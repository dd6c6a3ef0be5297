"""What the streaming actors do, without Ray: decode, drill, label, predict."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from upath import UPath

from ray_wssis.artifacts import Artifact
from ray_wssis.config import load_config
from ray_wssis.data.images import read_image
from ray_wssis.data.records import Records
from ray_wssis.masks import area
from ray_wssis.methods.point_wssis.segmenter import Segmenter
from ray_wssis.recipes.point_wssis import PointWSSISConfig
from ray_wssis.stages.decode import SOURCE, Picture, decode_rows, read_picture
from ray_wssis.stages.drill import DrawRoughMasks
from ray_wssis.stages.label import LabelPoints
from ray_wssis.stages.predict import FindInstances
from ray_wssis.stages.split import STRONG, VALIDATION, WEAK

SIDES = load_config(PointWSSISConfig, "shapes").teacher.model.sides


def decoded(data: Artifact, name: str, *, broken: Path | None = None) -> list[Picture]:
    """The pictures of a records file; with `broken`, that file in place of the first one's."""
    rows = Records.read(data / name).table.to_pylist()
    if broken is not None:
        rows[0]["file"] = str(broken)
    table = pa.Table.from_pylist([row | {SOURCE: f"/split/{name}"} for row in rows])
    return [read_picture(row) for row in decode_rows(table, SIDES).to_pylist()]


@pytest.fixture
def broken(data: Artifact, tmp_path: Path) -> Path:
    whole = Path(Records.read(data / WEAK)[0].file).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    return tmp_path / "cut.png"


def test_pictures_arrive_as_they_are_on_disk(data: Artifact) -> None:
    for picture in decoded(data, STRONG):
        record = picture.record
        np.testing.assert_array_equal(picture.image, read_image(record.file, (64, 64)))
        assert picture.network_image.shape == (128, 128, 3)
        assert picture.source == "strong" and picture.error is None


def test_a_broken_picture_arrives_with_a_reason(data: Artifact, broken: Path) -> None:
    first, *others = decoded(data, WEAK, broken=broken)
    assert first.error is not None and "cut.png" in first.error and first.image.size == 0
    assert all(picture.error is None for picture in others)


def test_each_checkpoint_draws_twice_for_its_own_pictures(data: Artifact, untrained: Path) -> None:
    teacher = str(untrained / "teacher")
    draw = DrawRoughMasks({"strong": [teacher, teacher], "val": [teacher]})
    strong, validation = decoded(data, STRONG), decoded(data, VALIDATION)
    rows = draw([*strong, *validation])
    assert [row["pictures"] for row in rows] == ["strong"] * 4 * 2 + ["val"] * 2 * 2
    for row in rows:
        assert len(row["rough"]) == len(row["annotation_id"]) > 0


def test_every_point_has_its_place_in_the_labels(
    data: Artifact, untrained: Path, broken: Path
) -> None:
    label = LabelPoints(str(untrained / "teacher"), str(untrained / "refiner"))
    rows = {row["image_id"]: row for row in label(decoded(data, WEAK, broken=broken))}
    first, *others = Records.read(data / WEAK)
    assert "cut.png" in rows[first.image_id]["error"]
    for record in others:
        row = rows[record.image_id]
        assert row["annotation_id"] == record.annotation_ids and row["error"] is None
        assert list(zip(row["x"], row["y"], strict=True)) == record.points
        for rough, refined, level in zip(row["rough"], row["refined"], row["level"], strict=True):
            assert (rough is None) == (refined is None) == (level == -1)
            assert rough is None or area(rough, 64, 64) > 0


def test_without_a_refiner_rough_masks_stay(data: Artifact, untrained: Path) -> None:
    for row in LabelPoints(str(untrained / "teacher"), None)(decoded(data, WEAK)):
        assert row["refined"] == row["rough"]


def test_models_of_two_sizes_see_the_same_pictures(
    data: Artifact, untrained: Path, tmp_path: Path, broken: Path
) -> None:
    teacher = str(untrained / "teacher")
    small = Segmenter.load(UPath(teacher), torch.device("cpu"))
    small.config = small.config.model_copy(update={"shorter": 64})
    small.save(UPath(tmp_path / "small"), "# small\n")
    find = FindInstances({"teacher": teacher, "small": str(tmp_path / "small")})
    rows = find(decoded(data, VALIDATION, broken=broken))
    assert [row["model"] for row in rows] == ["teacher"] * 2 + ["small"] * 2
    failed = [row for row in rows if row.get("error")]
    assert len(failed) == 2 and {row["image_id"] for row in failed} == {failed[0]["image_id"]}
