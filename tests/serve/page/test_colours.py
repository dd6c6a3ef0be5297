"""The colours of classes differ for everybody, also for people who lack a kind of cone."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
from wssis_serve.http.page import PAGE

# Machado et al. 2009, severity 1: linear RGB as people see it who lack the first, the second or the
# third kind of cone.
VISIONS = {
    "usual": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
XYZ = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
WHITE = [0.9505, 1, 1.089]


def colours() -> list[str]:
    text = Path(PAGE / "overlay.js").read_text()
    return re.findall(r"#[0-9a-f]{6}", text.partition("const COLOURS = [")[2].partition("];")[0])


def lab(colour: str, vision: str) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """The place of a colour in CIELAB."""
    rgb = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(VISIONS[vision]) @ linear, 0, 1)
    xyz = np.array(XYZ) @ seen / WHITE
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


def least_distance(names: list[str]) -> float:
    return min(
        float(np.linalg.norm(lab(one, vision) - lab(other, vision)))
        for vision in VISIONS
        for one, other in combinations(names, 2)
    )


def test_the_first_colours_differ_most() -> None:
    assert len(colours()) == 10
    assert least_distance(colours()[:6]) > 35  # two colours at a distance of 2 are hard to tell
    assert least_distance(colours()) > 20
