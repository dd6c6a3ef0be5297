"""Tests of ray_wssis.data.sparse.draw."""

from dataclasses import replace

import numpy as np
import pytest

from ray_wssis.data.class_maps.png import UNKNOWN, decode, encode, present
from ray_wssis.data.records import Category, Record, Records
from ray_wssis.data.sparse.draw import Pen, sparse_map, with_sparse_maps
from ray_wssis.data.sparse.kind import SparseKind

PEN = Pen(kind=SparseKind.POINTS, per_class=2, width=3, radius=0, seed=0)
BLOCKS = np.kron(np.array([[0, 1], [2, 0], [UNKNOWN, 4]]), np.ones((20, 30))).astype(np.uint8)


@pytest.mark.parametrize("kind", SparseKind)
@pytest.mark.parametrize("radius", [0, 4])
def test_annotated_pixels_have_their_class_and_every_class_has_some(
    kind: SparseKind, radius: int
) -> None:
    drawn = sparse_map(BLOCKS, replace(PEN, kind=kind, radius=radius, per_class=3), "a.png")
    annotated = drawn != UNKNOWN
    assert (drawn[annotated] == BLOCKS[annotated]).all()
    assert present(drawn) == (0, 1, 2, 4)
    assert annotated.mean() < 0.5
    if kind is not SparseKind.SCRIBBLES and not radius:
        assert all((drawn == label).sum() == 3 for label in (0, 1, 2, 4))


def test_a_radius_makes_points_discs() -> None:
    drawn = sparse_map(np.zeros((60, 60), np.uint8), replace(PEN, per_class=1, radius=2), "b.png")
    assert (drawn == 0).sum() == 13


def test_wider_strokes_cover_more() -> None:
    areas = [
        (
            sparse_map(BLOCKS, replace(PEN, kind=SparseKind.SCRIBBLES, width=width), "a.png")
            != UNKNOWN
        ).sum()
        for width in (1, 3, 7)
    ]
    assert areas == sorted(areas) and areas[0] < areas[-1] / 3


@pytest.mark.parametrize("kind", SparseKind)
def test_seed_name_and_class_decide_what_is_drawn(kind: SparseKind) -> None:
    pen = replace(PEN, kind=kind)
    drawn = sparse_map(BLOCKS, pen, "a.png")
    assert (sparse_map(BLOCKS, pen, "a.png") == drawn).all()
    assert (sparse_map(BLOCKS, pen, "b.png") != drawn).any()
    assert (sparse_map(BLOCKS, replace(pen, seed=1), "a.png") != drawn).any()
    without = np.where(BLOCKS == 4, UNKNOWN, BLOCKS).astype(np.uint8)
    assert (sparse_map(without, pen, "a.png") == np.where(drawn == 4, UNKNOWN, drawn)).all()


def test_images_without_a_map_stay_as_they_are() -> None:
    names = [Category(id=label, name=f"{label}") for label in range(5)]
    bare = Record(image_id=1, file="x/a.png", width=60, height=60, tags=(3,))
    full = replace(bare, image_id=2, class_map=encode(BLOCKS))
    records = Records.from_rows([bare, full], names)
    kept, drawn = with_sparse_maps(records, PEN)
    assert kept == bare
    assert drawn.class_map is not None and drawn.tags == (0, 1, 2, 4)
    assert (decode(drawn.class_map) == sparse_map(BLOCKS, PEN, "a.png")).all()
