"""Huge images by their tiles, with a network that draws a disc around each point."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ray_wssis.artifacts import Artifact
from ray_wssis.data.records import Click, Object, Record
from ray_wssis.instance.label_row import begin_row
from ray_wssis.instance.split import WEAK
from ray_wssis.instance.tile_config import TileConfig
from ray_wssis.masks import disc
from ray_wssis.methods.point_wssis.labeller import PointLabeller
from ray_wssis.methods.point_wssis.refined_mask import Answer
from ray_wssis.methods.point_wssis.tiles import rows_of
from ray_wssis.recipes.labeller_config import LabellerConfig
from ray_wssis.streaming.decode import Image
from ray_wssis.streaming.labeller import Row
from tests.methods.point_wssis.test_labeller import decoded, part

SIDES = (32, 64)
TILES = TileConfig(size=64, overlap=0.5)


def image_of(height: int, width: int, *points: tuple[float, float]) -> Image:
    objects = tuple(
        Object(annotation_id=i, label=i % 3, point=point, clicks=(Click(*point, True),))
        for i, point in enumerate(points)
    )
    record = Record(image_id=1, file="a.png", width=width, height=height, objects=objects)
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image(record=record, source="weak", key=1, pixels=pixels, network_image=pixels)


def draft(images: list[Image]) -> list[Row]:
    """Draw discs of 60 pixels, none for class 2; the refiner sees the box of each."""
    rows = []
    for image in images:
        record = image.record
        assert max(image.network_image.shape[:2]) <= 64
        masks: list[bytes | None] = []
        answers: list[Answer | None] = []
        for obj in record.objects:
            assert obj.point is not None and obj.clicks[0][:2] == obj.point
            x, y = (int(value) for value in obj.point)
            is_drawn = obj.label != 2
            mask = disc(obj.point, 60, record.height, record.width) if is_drawn else None
            seen = Answer(
                foreground=np.ones((4, 4), np.float32),
                box=(x, y, x + 2, y + 3),
                score=float(image.pixels[y, x, 0]),
                compat="fixed",
            )
            masks.append(mask)
            answers.append(seen if is_drawn else None)
        count = len(record.objects)
        rows.append(
            begin_row(record)
            | {
                "rough": masks,
                "level": [3] * count,
                "class_score": [0.5] * count,
                "maskness": [0.6] * count,
                "level_margin": [0.1] * count,
                "answers": answers,
            }
        )
    return rows


def test_tiles_cover_the_image_and_end_at_its_border() -> None:
    assert TILES.corners(64, 150) == [(0, 0), (0, 32), (0, 64), (0, 86)]
    assert TileConfig(size=64, overlap=0).corners(128, 100) == [(0, 0), (0, 36), (64, 0), (64, 36)]
    assert not TILES.cuts(64, 64) and TILES.cuts(20, 65)
    covered = np.zeros((100, 130), bool)
    for y, x in TILES.corners(100, 130):
        covered[y : y + 64, x : x + 64] = True
    assert covered.all()


def test_a_point_belongs_to_the_tile_in_whose_middle_it_lies() -> None:
    corners = TILES.corners(64, 150)
    found = [TILES.innermost((x, 30.0), corners) for x in (1.0, 31.0, 63.0, 100.0, 149.0)]
    assert found == [0, 0, 1, 2, 3]


def test_masks_are_those_of_the_whole_image() -> None:
    rng = np.random.default_rng(0)
    points = [(float(x), float(y)) for x, y in rng.uniform([6, 6], [194, 144], (60, 2))]
    whole = image_of(150, 200, *points)
    (row,) = rows_of([whole], TILES, SIDES, draft)
    (expected,) = draft([replace(whole, network_image=whole.pixels[:8, :8])])
    assert row.keys() == expected.keys()
    assert row["rough"] == expected["rough"] and None in row["rough"]
    assert row["annotation_id"] == expected["annotation_id"]
    assert row["x"] == expected["x"] and row["width"] == 200
    for ours, theirs in zip(row["answers"], expected["answers"], strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            assert (ours.box, ours.score) == (theirs.box, theirs.score)


def test_images_that_are_not_cut_are_seen_together_and_the_order_stays() -> None:
    calls: list[int] = []

    def counted(images: list[Image]) -> list[Row]:
        calls.append(len(images))
        return draft(images)

    small, large = image_of(60, 64, (5.0, 5.0)), image_of(60, 80, (70.0, 5.0), (9.0, 9.0))
    rows = rows_of([small, large, small], TILES, SIDES, counted)
    assert [row["width"] for row in rows] == [64, 80, 64]
    assert calls == [2, 1, 1]


def test_an_image_without_points_is_not_looked_at() -> None:
    (row,) = rows_of([image_of(60, 80)], TILES, SIDES, draft)
    assert row["rough"] == row["answers"] == []


def test_networks_draw_by_tiles(data: Artifact, untrained: Path) -> None:
    models = part(untrained / "teacher"), part(untrained / "refiner")
    whole = PointLabeller.of(*models)
    same = PointLabeller.of(*models, tile=TileConfig(size=64))
    images = decoded(data, WEAK)
    torch.manual_seed(0)
    pairs = list(zip(whole.open()(images), same.open()(images), strict=True))
    for row, again in pairs:
        assert whole.finish(row)["refined"] == same.finish(again)["refined"]
    assert whole.made_from != same.made_from


def test_models_of_the_sam_family_know_no_tiles() -> None:
    with pytest.raises(ValueError, match=r"labeller\.tile is given and the labeller is sam"):
        LabellerConfig(name="sam", tile=TileConfig(size=64))
