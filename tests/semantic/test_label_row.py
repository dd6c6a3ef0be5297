"""Rows of semantic labels: what pixels say about their own quality."""

from typing import Any

import cv2
import numpy as np
import pytest

from ray_wssis.data.class_maps.png import UNKNOWN, decode, encode
from ray_wssis.semantic.label_row import SIGNALS, complete


def drawn(tags: tuple[int, ...] | None) -> dict[str, Any]:
    labels = np.zeros((4, 6), np.uint8)
    labels[:, 3:] = 2
    confidence = np.full((4, 6), 255, np.uint8)
    confidence[:, 3:] = 102  # 0.4
    row = {"image_id": 7, "file": "a.png", "width": 6, "height": 4, "key": 99}
    drawn = {"drawn_labels": labels, "drawn_confidence": confidence}
    return row | drawn | {"tags": tags, "annotated": None}


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


def test_annotated_pixels_keep_their_label_and_leave_the_signals_alone() -> None:
    given = np.full((4, 6), UNKNOWN, np.uint8)
    given[0, 3:5] = 1
    row = complete(drawn((0, 1, 2)) | {"annotated": encode(given)})
    labels = drawn(None)["drawn_labels"]
    labels[0, 3:5] = 1
    assert np.array_equal(decode(row["class_map"]), labels)
    assert (row["label"], row["pixels"]) == ([0, 1, 2], [12, 2, 10])
    assert decode(row["confidence"])[0].tolist() == [255, 255, 255, 255, 255, 102]
    signals = {name: value for name, value in row.items() if name in SIGNALS}
    assert signals == {name: complete(drawn((0, 1, 2)))[name] for name in SIGNALS}
