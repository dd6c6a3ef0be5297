"""The page of the worst masks."""

import base64
import io
import json
import re

import pytest
from PIL import Image
from upath import UPath

from tests.support.elements import Elements


@pytest.fixture(scope="module")
def page(run: UPath) -> str:
    return (run / "audit/review.html").read_text(encoding="utf-8")


def test_the_page_needs_nothing_else(page: str) -> None:
    Elements(page)
    assert not re.search(r"https?://|<script|<link|@import", page)


def test_every_mask_is_drawn_on_its_image(page: str, run: UPath) -> None:
    review = json.loads((run / "audit/review.json").read_text())
    images = re.findall(r'href="data:image/jpeg;base64,([^"]+)"', page)
    assert len(images) == len(review["annotations"]) == 9
    for image in images:
        Image.open(io.BytesIO(base64.b64decode(image))).load()
    places = [page.index(f"point {entry['id']}<") for entry in review["annotations"]]
    assert places == sorted(places)


def test_the_page_says_how_to_hand_corrections_back(page: str, run: UPath) -> None:
    assert 'href="review.json"' in page and (run / "audit/review.json").exists()
    assert "wssis run --out RUN --redo --set 'merge.corrections=[" in page


def test_the_page_counts_the_masks_that_are_poor(page: str, run: UPath) -> None:
    review = json.loads((run / "audit/review.json").read_text())
    num_poor = sum(entry["expected_iou"] < 0.5 for entry in review["annotations"])
    counted = "All" if num_poor == len(review["annotations"]) else str(num_poor)
    assert (f"{counted} of them are below 0.5." in page) == (num_poor > 0)
