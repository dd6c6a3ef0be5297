"""A semantic network at work."""

import numpy as np
import pytest
import torch
from upath import UPath

from ray_wssis.data.records import Category
from ray_wssis.models.semantic_network import create_network
from ray_wssis.semantic.segmenter import SemanticSegmenter, certainty, choose
from ray_wssis.semantic.segmenter_config import SemanticConfig, Views
from tests.support.tiny_semantic import TINY

CLASSES = tuple(Category(id=i + 1, name=name) for i, name in enumerate(("ground", "disc", "box")))
SIZES = [(30, 41), (64, 64)]


@pytest.fixture(scope="module")
def segmenter() -> SemanticSegmenter:
    torch.manual_seed(0)
    return SemanticSegmenter(create_network(TINY.network, 3).eval(), TINY, CLASSES)


def images() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (*size, 3)).astype(np.uint8) for size in SIZES]


def test_every_pixel_of_the_original_gets_a_label(segmenter: SemanticSegmenter) -> None:
    drawn = segmenter.draw(images(), [(60, 82), (64, 64)], [None, None], Views())
    assert [seen.class_map.shape for seen in drawn] == [(60, 82), (64, 64)]
    assert all(seen.confidence.min() >= 255 // 3 for seen in drawn)  # the best of three


def test_no_label_is_outside_the_tags(segmenter: SemanticSegmenter) -> None:
    drawn = segmenter.draw(images(), SIZES, [(1,), (0, 2)], Views(scales=(0.5, 1.0), flip=True))
    assert (drawn[0].class_map == 1).all()
    assert (drawn[0].confidence == 255).all()
    assert set(np.unique(drawn[1].class_map)) <= {0, 2}


def test_views_are_averaged(segmenter: SemanticSegmenter) -> None:
    picture = images()[1]
    flipped = [np.ascontiguousarray(picture[:, ::-1])]
    plain = segmenter.logits([picture], Views())[0]
    mirrored = segmenter.logits(flipped, Views())[0].flip(-1)
    both = segmenter.logits([picture], Views(flip=True))[0]
    torch.testing.assert_close(both, (plain + mirrored) / 2)


def test_an_image_does_not_depend_on_its_batch(segmenter: SemanticSegmenter) -> None:
    alone = segmenter.logits(images()[1:], Views())[0]
    beside = segmenter.logits(images(), Views())[1]
    torch.testing.assert_close(alone, beside, atol=1e-4, rtol=1e-4)


def test_confidence_is_the_probability_of_the_label() -> None:
    logits = torch.tensor([[[0.0]], [[2.0]], [[1.0]]])
    assert choose(logits, None).class_map.item() == 1
    assert choose(logits, None).confidence.item() == round(
        255 * float(np.exp(2) / np.exp([0, 2, 1]).sum())
    )
    assert choose(logits, (0, 2)).class_map.item() == 2


def test_a_saved_model_draws_the_same(segmenter: SemanticSegmenter, tmp_path: object) -> None:
    folder = UPath(str(tmp_path))
    segmenter.save(folder, "# a card\n")
    loaded = SemanticSegmenter.load(folder, torch.device("cpu"))
    for one, other in zip(
        segmenter.draw(images(), SIZES, [None, None], Views()),
        loaded.draw(images(), SIZES, [None, None], Views()),
        strict=True,
    ):
        assert (one.class_map == other.class_map).all()
    assert loaded.categories == CLASSES
    assert isinstance(loaded.config, SemanticConfig)


def test_certainty_tells_apart_what_confidence_cannot() -> None:
    """A level more is a chance of a mistake that is 2^(1/12) smaller."""
    chances = torch.tensor([[0.0, 0.5, 0.75, 0.999, 0.99999, 1.0]])
    assert certainty(chances).tolist() == [[0, 12, 24, 120, 199, 255]]
