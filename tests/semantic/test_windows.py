"""Windows that slide over large images."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from ray_wssis.data.records import Category
from ray_wssis.models.semantic_network import create_network
from ray_wssis.semantic import segmenter as module
from ray_wssis.semantic.segmenter import SemanticSegmenter, choose, draw_at, to_size
from ray_wssis.semantic.segmenter_config import SemanticConfig, Views
from ray_wssis.semantic.windows import Window
from tests.support.tiny_semantic import TINY

CLASSES = tuple(Category(id=i + 1, name=name) for i, name in enumerate(("ground", "disc", "box")))


@pytest.mark.parametrize("side", [20, 64, 65, 66, 96, 130, 200])
@pytest.mark.parametrize("overlap", [0, 0.3, 0.5, 0.9])
def test_windows_cover_a_side_and_overlap_as_told(side: int, overlap: float) -> None:
    window = Window(size=64, overlap=overlap)
    starts = window.starts(side)
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    assert all(start % 4 == 0 for start in starts)
    assert side <= starts[-1] + 64 < max(side, 64) + 4
    assert all(b - a <= max(4, 64 * (1 - overlap)) for a, b in pairwise(starts))


def segmenter(window: dict[str, Any] | None) -> SemanticSegmenter:
    torch.manual_seed(0)
    config = SemanticConfig.model_validate(TINY.model_dump() | {"window": window})
    return SemanticSegmenter(create_network(config.network, 3).eval(), config, CLASSES)


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("views", [Views(), Views(scales=(0.5, 1.0), flip=True)])
def test_a_window_that_covers_the_image_changes_nothing(views: Views) -> None:
    images = [picture(50, 70), picture(64, 96)]
    plain = segmenter(None).logits(images, views)
    covered = segmenter({"size": 96}).logits(images, views)
    for one, other in zip(plain, covered, strict=True):
        assert torch.equal(one, other)


def test_logits_are_averaged_where_windows_overlap() -> None:
    """Against a loop over the pixels of the logits."""
    image, window = picture(75, 130), Window(size=64, overlap=0.5)
    sliding = segmenter(window.model_dump())
    found = sliding.logits([image], Views())[0]
    seen: dict[tuple[int, int], list[torch.Tensor]] = {}
    for y, x in window.corners(image.shape):
        own = sliding.seen_at_once([image[y : y + 64, x : x + 64]])[0]
        for row in range(own.shape[1]):
            for column in range(own.shape[2]):
                seen.setdefault((y // 4 + row, x // 4 + column), []).append(own[:, row, column])
    assert found.shape[1:] == (19, 33)
    assert len(seen) == 19 * 33
    assert {len(logits) for logits in seen.values()} >= {1, 2, 4}
    for (row, column), logits in seen.items():
        torch.testing.assert_close(
            found[:, row, column], torch.stack(logits).mean(dim=0), atol=1e-4, rtol=1e-4
        )


def test_no_pass_is_larger_than_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    sliding, shapes = segmenter({"size": 64, "overlap": 0}), []
    forward = sliding.network.forward

    def watched(images: torch.Tensor, sizes: torch.Tensor) -> Any:
        shapes.append(tuple(images.shape))
        return forward(images, sizes)

    monkeypatch.setattr(sliding.network, "forward", watched)
    drawn = sliding.draw([picture(200, 300)], [(400, 600)], [None], Views())[0]
    assert drawn.class_map.shape == (400, 600)
    assert sum(shape[0] for shape in shapes) == 4 * 5
    assert max(shapes) == (module.WINDOWS_AT_ONCE, 3, 64, 64)


@pytest.mark.parametrize("tags", [None, (), (2,), (2, 0), (0, 1, 2)])
def test_only_classes_among_the_tags_are_drawn(tags: tuple[int, ...] | None) -> None:
    logits = 5 * torch.randn(3, 23, 16, generator=torch.Generator().manual_seed(0))
    drawn, wanted = draw_at(logits, (90, 61), tags), choose(to_size(logits, (90, 61)), tags)
    assert (drawn.class_map == wanted.class_map).all()
    assert (drawn.confidence == wanted.confidence).all()


@pytest.mark.parametrize("tags", [None, (0, 2)])
@pytest.mark.parametrize("size", [(90, 61), (7, 30), (22, 40)])
def test_a_large_image_is_drawn_in_strips(
    size: tuple[int, int], tags: tuple[int, ...] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = torch.randn(3, 23, 16, generator=torch.Generator().manual_seed(0))
    whole = draw_at(logits, size, tags)
    monkeypatch.setattr(module, "MOST_VALUES", 3 * size[1] * 4)  # four rows
    strips = draw_at(logits, size, tags)
    assert (strips.class_map == whole.class_map).mean() > 0.999
    assert np.abs(strips.confidence.astype(int) - whole.confidence).max() <= 1
    rows = torch.cat([module.strip_at(logits, size, y, y + 1) for y in range(size[0])], dim=1)
    torch.testing.assert_close(rows, to_size(logits, size), atol=1e-5, rtol=1e-5)
