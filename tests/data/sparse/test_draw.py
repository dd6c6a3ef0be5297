"""Tests of ray_wssis.data.sparse.draw."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ray_wssis.data.class_maps.png import UNKNOWN, ClassMap, decode, encode, present
from ray_wssis.data.records import Category, Record, Records
from ray_wssis.data.sparse.config import SparseConfig
from ray_wssis.data.sparse.draw import sparse_map, with_sparse_maps
from ray_wssis.data.sparse.kind import SparseKind

POINTS = SparseConfig(kind=SparseKind.POINTS)
BLOCKS = np.kron(np.array([[0, 1], [2, 0], [UNKNOWN, 4]]), np.ones((20, 30))).astype(np.uint8)


def drawn(class_map: ClassMap, seed: int = 0, name: str = "a.png", **changes: Any) -> ClassMap:
    return sparse_map(class_map, POINTS.model_copy(update=changes), seed, name)


@pytest.mark.parametrize("kind", SparseKind)
@pytest.mark.parametrize("radius", [0, 4])
def test_annotated_pixels_have_their_class_and_every_class_has_some(
    kind: SparseKind, radius: int
) -> None:
    sparse = drawn(BLOCKS, kind=kind, radius=radius, per_class=3)
    annotated = sparse != UNKNOWN
    assert (sparse[annotated] == BLOCKS[annotated]).all()
    assert present(sparse) == (0, 1, 2, 4)
    assert annotated.mean() < 0.5
    if kind is not SparseKind.SCRIBBLES and not radius:
        assert all((sparse == label).sum() == 3 for label in (0, 1, 2, 4))


def test_a_radius_makes_points_discs() -> None:
    assert (drawn(np.zeros((60, 60), np.uint8), per_class=1, radius=2) == 0).sum() == 13


def test_wider_strokes_cover_more() -> None:
    areas = [
        (drawn(BLOCKS, kind=SparseKind.SCRIBBLES, width=width) != UNKNOWN).sum()
        for width in (1, 3, 7)
    ]
    assert areas == sorted(areas) and areas[0] < areas[-1] / 3


@pytest.mark.parametrize("kind", SparseKind)
def test_seed_name_and_class_decide_what_is_drawn(kind: SparseKind) -> None:
    sparse = drawn(BLOCKS, kind=kind)
    assert (drawn(BLOCKS, kind=kind) == sparse).all()
    assert (drawn(BLOCKS, kind=kind, name="b.png") != sparse).any()
    assert (drawn(BLOCKS, kind=kind, seed=1) != sparse).any()
    without = np.where(BLOCKS == 4, UNKNOWN, BLOCKS).astype(np.uint8)
    assert (drawn(without, kind=kind) == np.where(sparse == 4, UNKNOWN, sparse)).all()


def test_images_without_a_map_stay_as_they_are() -> None:
    names = [Category(id=label, name=f"{label}") for label in range(5)]
    bare = Record(image_id=1, file="x/a.png", width=60, height=60, tags=(3,))
    full = replace(bare, image_id=2, class_map=encode(BLOCKS))
    kept, sparse = with_sparse_maps(Records.from_rows([bare, full], names), POINTS, seed=0)
    assert kept == bare
    assert sparse.class_map is not None and sparse.tags == (0, 1, 2, 4)
    assert (decode(sparse.class_map) == drawn(BLOCKS)).all()
