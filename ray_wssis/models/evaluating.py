"""Evaluation mode for the time of a forward pass."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put `network` in evaluation mode; afterwards each of its modules has the mode it had.

    Not for a network in training mode that several threads share.
    """
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
