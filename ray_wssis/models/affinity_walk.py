"""A random walk on the grid, which spreads scores as far as affinities let it.

AffinityNet (arXiv:1803.10464, section 3.4), as IRNet uses it (arXiv:1904.05044, section 5): a
walker steps from a cell to a near one with a chance that grows with a power of their affinity.
After many steps, scores fill what boundaries enclose.

Differs from the papers: they square the dense matrix of all chances, N x N for N cells, as often as
needed.  Here the scores, a few rows, pass the sparse matrix step by step: the same result in a
small part of memory and time.

Legend: K classes, h w cells, N = h w, P pairs.
"""

import warnings

import torch
from jaxtyping import Float
from torch import Tensor

from ray_wssis.models.cell_pairs import ends

POWER = 10  # of the affinity
STEPS = 256


def chances(
    affinity: Float[Tensor, " P"], height: int, width: int, radius: int, power: float = POWER
) -> Tensor:
    """Return the chance of each step, a sparse matrix (N, N) whose rows add up to 1.

    A walker may stay where it is as readily as it steps to a cell of affinity 1.  Chances are
    doubles: rounded to less, hundreds of steps would lose a part of every score.
    """
    cells = torch.arange(height * width, device=affinity.device)
    first, second = ends(cells.view(height, width), radius)
    weights = affinity.double().clamp(min=0) ** power
    rows = torch.cat([cells, first, second])
    columns = torch.cat([cells, second, first])
    values = torch.cat([torch.ones_like(cells, dtype=weights.dtype), weights, weights])
    totals = torch.zeros_like(values[: len(cells)]).index_add(0, rows, values)
    order = (rows * len(cells) + columns).argsort()
    before = rows.bincount(minlength=len(cells)).cumsum(0)
    return sparse_rows(
        torch.cat([before.new_zeros(1), before]), columns[order], (values / totals[rows])[order]
    )


def sparse_rows(begins: Tensor, columns: Tensor, values: Tensor) -> Tensor:
    """Make a square matrix; its indices of 32 bits are multiplied twice as fast as longer ones."""
    size = (len(begins) - 1, len(begins) - 1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(
            begins.int(), columns.int(), values, size, check_invariants=False
        )


def walk(
    scores: Float[Tensor, "K h w"], steps_to: Tensor, steps: int = STEPS
) -> Float[Tensor, "K h w"]:
    """Return the scores that a walker from each cell meets on average after `steps`.

    `steps_to` are the `chances` of each step.
    """
    if not len(scores):
        return scores
    found = scores.double().flatten(1).T.contiguous()  # (N, K)
    for _ in range(steps):
        found = steps_to @ found
    return found.T.reshape(scores.shape).to(scores.dtype)
