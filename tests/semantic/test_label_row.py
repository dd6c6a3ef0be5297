"""Rows of semantic labels: what pixels say about their own quality."""

from typing import Any

import cv2
import numpy as np
import pytest

from ray_wssis.data.class_maps.png import decode
from ray_wssis.semantic.label_row import complete


def drawn(tags: tuple[int, ...] | None) -> dict[str, Any]:
    labels = np.zeros((4, 6), np.uint8)
    labels[:, 3:] = 2
    confidence = np.full((4, 6), 255, np.uint8)
    confidence[:, 3:] = 102  # 0.4
    row = {"image_id": 7, "file": "a.png", "width": 6, "height": 4, "key": 99}
    return row | {"tags": tags, "drawn_labels": labels, "drawn_confidence": confidence}


def test_pixels_are_kept_as_png() -> None:
    row = complete(drawn((0, 2)))
    assert np.array_equal(decode(row["class_map"]), drawn(None)["drawn_labels"])
    seen = cv2.imdecode(np.frombuffer(row["confidence"], np.uint8), cv2.IMREAD_GRAYSCALE)
    assert seen is not None
    assert np.array_equal(seen, drawn(None)["drawn_confidence"])
    assert row["key"] == 99  # what the stream knows stays
    assert "drawn_labels" not in row


def test_signals_are_those_of_the_pixels() -> None:
    row = complete(drawn((0, 2)))
    assert row["confidence_mean"] == pytest.approx(0.7)
    assert row["unsure_share"] == pytest.approx(0.5)
    assert row["least_confidence"] == pytest.approx(0.4)
    assert row["missing_tags"] == 0
    assert row["flags"] == []


def test_a_class_that_is_named_and_not_drawn_is_flagged() -> None:
    row = complete(drawn((0, 1, 2)))
    assert row["missing_tags"] == 1
    assert row["flags"] == ["tag missing"]
    assert complete(drawn(None))["flags"] == []  # nobody named any
