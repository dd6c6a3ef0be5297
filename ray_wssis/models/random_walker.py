"""A random walker on a grid of colours (Grady, "Random walks for image segmentation", PAMI 2006).

It prefers neighbours of like colour; what is wanted is which seeds it meets first.

Legend: H W cells.
"""

import numpy as np
from jaxtyping import Bool, Float32
from numpy.typing import NDArray

CONTRAST = 1.0  # how much a walker shuns a difference in colour, relative to the mean square
LEAST = 1e-4  # of a passage, relative to one between equal colours
STEPS = 150  # of conjugate gradients

Floats = NDArray[np.float32]


def passages(
    colours: Float32[Floats, "H W 3"], outside: Bool[NDArray[np.bool_], "H W"]
) -> tuple[Float32[Floats, "H _"], Float32[Floats, "_ W"]]:
    """Return how easily a walker passes to the next cell across, and to the next one down; nobody
    leaves the image."""
    across, down = ((np.diff(colours, axis=axis) ** 2).sum(axis=2) for axis in (1, 0))
    mean = max(float(across.mean() + down.mean()) / 2, 1e-6)
    across, down = (np.exp(-CONTRAST * each / mean) for each in (across, down))
    across[outside[:, 1:] | outside[:, :-1]] = 0
    down[outside[1:] | outside[:-1]] = 0
    return across + LEAST, down + LEAST


def solve(
    across: Float32[Floats, "H _"],
    down: Float32[Floats, "_ W"],
    seeds: Float32[Floats, "H W"],
    prior: Floats | float = 0.0,
    stop: float = 0.0,
) -> Float32[Floats, "H W"]:
    """Return the probability that a walker from each cell meets seeds of 1 first: by
    conjugate gradients on what flows in and out of the cells without a seed.

    In every cell it stops with a chance `stop`, relative to a passage between equal colours, and is
    then counted with the `prior` of the cell.
    """
    free = np.isnan(seeds)
    x = np.where(free, prior, seeds).astype(np.float64)
    degree = outflow(np.ones_like(x), across, down, diagonal=True) + stop
    rest = np.where(free, stop * (prior - x) - outflow(x, across, down), 0)
    direction = scaled = rest / degree
    power = float((rest * scaled).sum())
    for _ in range(STEPS):
        if power < 1e-12:
            break
        flow = np.where(free, outflow(direction, across, down) + stop * direction, 0)
        length = power / float((direction * flow).sum())
        x, rest = x + length * direction, rest - length * flow
        scaled = rest / degree
        power, before = float((rest * scaled).sum()), power
        direction = scaled + power / before * direction
    return x.astype(np.float32)


def outflow(
    x: NDArray[np.float64], across: Floats, down: Floats, *, diagonal: bool = False
) -> NDArray[np.float64]:
    """Return the Laplacian of the grid times x, or its diagonal times x."""
    flow = np.zeros_like(x)
    for passage, first, second in (
        (across, np.s_[:, :-1], np.s_[:, 1:]),
        (down, np.s_[:-1], np.s_[1:]),
    ):
        flow[first] += passage * (x[first] if diagonal else x[first] - x[second])
        flow[second] += passage * (x[second] if diagonal else x[second] - x[first])
    return flow
